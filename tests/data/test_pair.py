"""Pairs of two files, and what every source can do with its pairs."""

import numpy as np
import pytest

from pix2pix_lit.data.pair import Pair, PairSource, SizeMismatchError, read_pair
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import RGB, ImageType

DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 1000])
PHOTO = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
SCAN = np.linspace(0, 1000, 4 * 6).astype(np.uint16).reshape(4, 6, 1)


class OnePair(PairSource):
    """A photo and its depth, without files."""

    b = DEPTH
    settings = {}  # noqa: RUF012

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Pair:
        return Pair(PHOTO, SCAN, "made")


def test_a_pair_is_read_from_two_files_of_their_own_types(tmp_path):
    a, b = tmp_path / "photo.png", tmp_path / "depth.png"
    write_image(a, PHOTO)
    write_image(b, SCAN)
    pair = read_pair(a, b, RGB, DEPTH)
    assert pair.name == "photo.png"
    assert read_pair(a, b, RGB, DEPTH, name="first").name == "first"
    np.testing.assert_array_equal(pair.a, PHOTO)
    np.testing.assert_array_equal(pair.b, SCAN)


def test_files_of_different_sizes_or_types_are_refused(tmp_path):
    a, b = tmp_path / "photo.png", tmp_path / "depth.png"
    write_image(a, PHOTO)
    write_image(b, SCAN[:3])
    with pytest.raises(SizeMismatchError, match=r"photo\.png is 6x4 pixels .*depth\.png is 6x3; expected equal sizes"):
        read_pair(a, b, RGB, DEPTH)
    with pytest.raises(UserError, match=r"nowhere\.png"):
        read_pair(a, tmp_path / "nowhere.png", RGB, DEPTH)


def test_a_source_resizes_and_shows_each_image_as_its_type():
    source, types = OnePair(), []

    def halve(image, kind):
        types.append(kind)
        return image[::2, ::2]

    pair = source.prepared(0, halve)
    assert types == [RGB, DEPTH]
    assert (pair.a.shape, pair.b.shape, pair.name) == ((2, 3, 3), (2, 3, 1), "made")
    photo, depth = source.pictures(source[0])
    np.testing.assert_array_equal(photo, PHOTO)
    assert (depth.shape, depth.dtype) == ((4, 6, 3), np.uint8)
    assert source.files(0) == ()
    assert source.check() is None
