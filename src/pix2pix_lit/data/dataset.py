"""Dataset of paired images: pairs, augmented, as batches."""

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


class PairIndex(NamedTuple):
    """Index of an augmented pair: the sampler yields these."""

    epoch: int
    pair: int


class Batch(TypedDict):
    """One batch of pairs, in the dtype of the files; ``Pix2Pix`` scales the images on the device."""

    input: Tensor
    """(N, planes, H, W) of the input's type, channels last in memory."""
    target: Tensor
    """The same for the target."""
    name: list[str]


class PairDataset(Dataset[Batch]):
    """Batches of augmented pairs in one direction.

    Args:
        pairs: pairs of equal size.
        augmentation: of input and target.
        direction: ``AtoB`` makes A the input and B the target, ``BtoA`` the other way round.
        seed: augmentation is a function of (seed, epoch, index).
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

    def __getitem__(self, indices: Sequence[PairIndex]) -> Batch:
        """The batch of the pairs at these indices."""
        inputs, targets, names = [], [], []
        for epoch, index in indices:
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
        """Image type of the inputs."""
        return self.pairs.a if self.direction == "AtoB" else self.pairs.b

    @property
    def target_type(self) -> ImageType:
        """Image type of the targets."""
        return self.pairs.b if self.direction == "AtoB" else self.pairs.a


def evenly_spread(length: int, count: int) -> list[int]:
    """At most ``count`` indices below ``length``, from the first to the last."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()


def _to_nchw(images: list[np.ndarray]) -> Tensor:
    # A view: transposing bytes would dominate the loading time, and the device does it while scaling.
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
