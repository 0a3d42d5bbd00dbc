"""What a discriminator says of a batch of images."""

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """A discriminator's view at one scale.

    Attributes:
        logits: (N, 1, h, w) patch logits, positive for "real".
        features: outputs of all blocks before the last convolution, (N, C, H', W') each, the first block's first.
    """

    logits: Tensor
    features: list[Tensor]


def split_outputs(judged: list[DiscriminatorOutput]) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
    """The outputs of the first and of the second half of a batch of even size, scale by scale; views, no copies."""

    def half(index: int) -> list[DiscriminatorOutput]:
        return [
            DiscriminatorOutput(_halves(scale.logits)[index], [_halves(feature)[index] for feature in scale.features])
            for scale in judged
        ]

    return half(0), half(1)


def _halves(tensor: Tensor) -> Tensor:
    return tensor.unflatten(0, (2, -1))
