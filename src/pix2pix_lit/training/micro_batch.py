"""A batch as the networks see it, in parts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError


@dataclass
class MicroBatch:
    """The part of a batch that is worked through at once.

    Attributes:
        input: (N, C, H, W) float in [-1, 1], what the generator sees.
        target: (N, C', H, W) float in [-1, 1], what it should paint.
        share: of the batch's images, in (0, 1].
        seed: of the dropout that its fake is drawn with, each time alike; None if the fake is drawn but once.
        fake: (N, C', H, W) float in [-1, 1], once it was drawn.
    """

    input: Tensor
    target: Tensor
    share: float = 1.0
    seed: int | None = None
    fake: Tensor | None = None


def divide(input: Tensor, target: Tensor, parts: int) -> list[MicroBatch]:
    """A batch in ``parts`` of as equal size as can be; their seeds come from torch's generator.

    Raises:
        UserError: if there are fewer images than parts.
    """
    if parts == 1:
        return [MicroBatch(input, target)]
    if len(input) < parts:
        raise UserError(
            f"model.micro_batches={parts} cannot divide a batch of {len(input)}; expected at most data.batch_size"
        )
    seeds = torch.randint(2**62, (parts,)).tolist()
    return [
        MicroBatch(x, y, len(x) / len(input), seed)
        for x, y, seed in zip(input.tensor_split(parts), target.tensor_split(parts), seeds, strict=True)
    ]
