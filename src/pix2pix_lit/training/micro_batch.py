"""Batches processed in parts, to save memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError


@dataclass
class MicroBatch:
    """A part of a batch that is processed at once.

    Attributes:
        input: (N, C, H, W) float in [-1, 1], what the generator is given.
        target: (N, C', H, W) float in [-1, 1], what it should generate.
        share: of the batch's images, in (0, 1].
        seed: of the dropout in its fake, if it is generated twice; None if it is generated once.
        fake: (N, C', H, W) float in [-1, 1], after it has been generated.
    """

    input: Tensor
    target: Tensor
    share: float = 1.0
    seed: int | None = None
    fake: Tensor | None = None


def divide(input: Tensor, target: Tensor, parts: int) -> list[MicroBatch]:
    """Split a batch into ``parts`` of nearly equal size, with seeds from torch's generator.

    Raises:
        UserError: for fewer images than parts.
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
