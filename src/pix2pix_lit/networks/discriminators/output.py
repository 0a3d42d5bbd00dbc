"""What a discriminator returns for a batch of images."""

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """A discriminator's output at one scale.

    Attributes:
        logits: (N, 1, h, w) patch logits, positive for "real"; a discriminator that segments returns (N, classes + 1,
            H, W).
        features: output of every block before the last convolution, (N, C, H', W') each, in their order.
    """

    logits: Tensor
    features: list[Tensor]


def split_outputs(output: list[DiscriminatorOutput]) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
    """The outputs for the first and the second half of a batch of even size, per scale; views, no copies."""

    def half(index: int) -> list[DiscriminatorOutput]:
        return [
            DiscriminatorOutput(_halves(scale.logits)[index], [_halves(feature)[index] for feature in scale.features])
            for scale in output
        ]

    return half(0), half(1)


def _halves(tensor: Tensor) -> Tensor:
    return tensor.unflatten(0, (2, -1))
