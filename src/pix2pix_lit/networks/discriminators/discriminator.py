"""The interface of discriminators."""

from typing import Protocol

from torch import Tensor

from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput


class Discriminator(Protocol):
    """A ``torch.nn.Module`` that distinguishes real images from generated ones.

    Attributes:
        smallest_side: smallest height and width that it takes.
    """

    smallest_side: int

    def forward(self, input: Tensor, image: Tensor) -> list[DiscriminatorOutput]:
        """Classify a batch of images.

        Args:
            input: (N, in_channels, H, W) float in [-1, 1], what the generator was given.
            image: (N, target_channels, H, W) float in [-1, 1], a real target or a fake.

        Returns:
            One output per scale, the full resolution first.
        """
        ...
