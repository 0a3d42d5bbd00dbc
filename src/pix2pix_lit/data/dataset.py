"""Pairs plus augmentation -> batches."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.data.cache import CachedPairs
from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.images.image_type import ImageType

Direction = Literal["AtoB", "BtoA"]


class Draw(NamedTuple):
    """What the sampler asks for: the pair at an index of its source, as augmented in an epoch."""

    epoch: int
    pair: int


class Batch(TypedDict):
    """One batch of pairs, each image of its own dtype until it is on the device, where ``Pix2Pix`` scales it."""

    input: Tensor
    """(N, planes, H, W) of the input's type: what the generator sees. Channels are the last in memory."""
    target: Tensor
    """The same of the target's type: what it should paint."""
    name: list[str]


class PairDataset(Dataset[Batch]):
    """Reads whole batches of pairs, in the wanted direction, augmented.

    Args:
        pairs: pairs of one size.
        augmentation: of input and target.
        direction: ``AtoB`` makes A the input and B the target, ``BtoA`` the other way round.
        seed: with epoch and index the only thing that augmentation depends on.
    """

    def __init__(
        self, pairs: ResizedPairs | CachedPairs, augmentation: Augmentation, direction: Direction, seed: int
    ) -> None:
        self.pairs = pairs
        self.augmentation = augmentation
        self.direction = direction
        self.seed = seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        """The batch of these draws."""
        inputs, targets, names = [], [], []
        for epoch, index in draws:
            a, b, name = self.pairs[index]
            input, target = self.augmentation(
                *((a, b) if self.direction == "AtoB" else (b, a)), seed=(self.seed, epoch, index)
            )
            inputs.append(self.input_type.finish(input))
            targets.append(self.target_type.finish(target))
            names.append(name)
        return {"input": _to_nchw(inputs), "target": _to_nchw(targets), "name": names}

    @property
    def input_type(self) -> ImageType:
        """What inputs are."""
        return self.pairs.a if self.direction == "AtoB" else self.pairs.b

    @property
    def target_type(self) -> ImageType:
        """What targets are."""
        return self.pairs.b if self.direction == "AtoB" else self.pairs.a


def evenly_spread(length: int, count: int) -> list[int]:
    """At most ``count`` indices below ``length``, from the first to the last."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()


def _to_nchw(images: list[np.ndarray]) -> Tensor:
    # A view: turning bytes round would cost more than all else, and the device does it while scaling.
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
