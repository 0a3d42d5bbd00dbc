"""Batches of pairs in the wanted direction, augmented by seed, epoch and index alone."""

import numpy as np
import pytest
import torch

from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.data.dataset import PairDataset, evenly_spread
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.images.image_type import RGB, ImageType


class Depths(PairSource):
    """RGB noise, and 16-bit depth."""

    b = ImageType(channels=1, dtype="uint16", range=[0, 60000])
    settings = {}  # noqa: RUF012

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Pair:
        rng = np.random.default_rng(index)
        a = rng.integers(0, 256, (20, 20, 3), np.uint8)
        return Pair(a, rng.integers(0, 60000, (20, 20, 1), np.uint16), f"{index}.png")


def dataset(direction: str, seed: int = 0, crop_size: int = 16) -> PairDataset:
    source = Depths()
    augmentation = Augmentation(source.a, source.b, crop_size, flip=True)
    return PairDataset(ResizedPairs(source, 20), augmentation, direction, seed)


@pytest.mark.parametrize(("direction", "input", "target"), [("AtoB", RGB, Depths.b), ("BtoA", Depths.b, RGB)])
def test_the_direction_decides_which_side_is_the_input(direction, input, target):
    pairs = dataset(direction)
    assert (pairs.input_type, pairs.target_type) == (input, target)
    batch = pairs[[(0, 2), (0, 0)]]
    assert batch["name"] == ["2.png", "0.png"]
    for image, kind in ((batch["input"], input), (batch["target"], target)):
        assert image.shape == (2, kind.channels, 16, 16)
        assert image.dtype == getattr(torch, kind.dtype)


def test_augmentation_depends_on_seed_epoch_and_index_alone():
    (one, other), another_seed = (dataset("AtoB") for _ in range(2)), dataset("AtoB", seed=1)
    expected = one[[(3, 1)]]["input"]
    one[[(4, 1)]]  # whatever was read before
    assert torch.equal(one[[(0, 0), (3, 1)]]["input"][1:], expected)
    assert torch.equal(other[[(3, 1)]]["input"], expected)
    epochs = [one[[(epoch, 1)]]["input"] for epoch in range(8)]
    assert any(not torch.equal(image, expected) for image in epochs)
    assert any(not torch.equal(another_seed[[(epoch, 1)]]["input"], epochs[epoch]) for epoch in range(8))


@pytest.mark.parametrize(
    ("length", "count", "expected"), [(10, 4, [0, 3, 6, 9]), (3, 8, [0, 1, 2]), (5, 1, [0]), (1, 1, [0]), (0, 8, [])]
)
def test_indices_are_spread_from_the_first_to_the_last(length, count, expected):
    assert evenly_spread(length, count) == expected
