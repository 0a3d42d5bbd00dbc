"""The interface of generators."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Generator(Protocol):
    """A ``torch.nn.Module`` that translates images.

    Attributes:
        size_multiple: height and width of its inputs must be multiples of this.
        smallest_side: smallest height and width that it takes.
    """

    size_multiple: int
    smallest_side: int

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) float in [-1, 1] -> (N, out_channels, H, W) float in [-1, 1]."""
        ...


@runtime_checkable
class SamplingGenerator(Generator, Protocol):
    """A generator with noise: dropout, or a latent code."""

    def sample(self, x: Tensor, seed: int) -> Tensor:
        """As ``forward``, with noise drawn from ``seed``: one of many possible translations.

        Raises:
            UserError: if its settings leave it without noise.
        """
        ...
