"""A source plus a transform -> batches."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pix2pix_lit.data.pair import PairSource
from pix2pix_lit.data.transforms import PairTransform

Direction = Literal["AtoB", "BtoA"]


class Draw(NamedTuple):
    """What the sampler asks for: the pair at an index of its source, as augmented in an epoch."""

    epoch: int
    pair: int


class Batch(TypedDict):
    """One batch of pairs; uint8 until it is on the device, where ``Pix2Pix`` scales it."""

    input: Tensor
    """(N, 3, H, W) uint8: what the generator sees."""
    target: Tensor
    """(N, 3, H, W) uint8: what it should paint."""
    name: list[str]


class PairDataset(Dataset[Batch]):
    """Reads whole batches of pairs, in the wanted direction, augmented.

    Args:
        source: where pairs come from.
        transform: brings every pair to one size.
        direction: ``AtoB`` makes A the input and B the target, ``BtoA`` the other way round.
        seed: with epoch and index the only thing that augmentation depends on.
    """

    def __init__(self, source: PairSource, transform: PairTransform, direction: Direction, seed: int) -> None:
        self.source = source
        self.transform = transform
        self.direction = direction
        self.seed = seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        """The batch of these draws."""
        inputs, targets, names = [], [], []
        for epoch, index in draws:
            pair = self.source[index]
            input, target = (pair.a, pair.b) if self.direction == "AtoB" else (pair.b, pair.a)
            input, target = self.transform(input, target, seed=(self.seed, epoch, index))
            inputs.append(input)
            targets.append(target)
            names.append(pair.name)
        return {"input": _to_nchw(inputs), "target": _to_nchw(targets), "name": names}


def _to_nchw(images: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
