"""Sizes as they stand in configs."""

import pytest
from omegaconf import OmegaConf

from pix2pix_lit.data.size import height_and_width
from pix2pix_lit.errors import UserError


def test_one_number_is_the_side_of_a_square():
    assert height_and_width(256, "key") == (256, 256)


@pytest.mark.parametrize("size", [[128, 256], (128, 256), OmegaConf.create([128, 256])])
def test_two_numbers_are_height_and_width(size):
    assert height_and_width(size, "key") == (128, 256)


@pytest.mark.parametrize(
    "size", [0, -3, 2.5, "256", True, None, {}, [], [256], [1, 2, 3], [0, 5], [2.5, 3], ["1", "2"]]
)
def test_what_is_no_size_is_refused_with_its_key(size):
    with pytest.raises(
        UserError, match=r"^data\.load_size is .*; expected a whole number .*data\.load_size=\[height,width"
    ):
        height_and_width(size, "data.load_size")


@pytest.mark.parametrize("size", [31, 101, [50, 101], [31, 50]])
def test_a_side_out_of_range_is_refused_with_the_range(size):
    assert height_and_width([32, 100], "key", smallest=32, largest=100) == (32, 100)
    with pytest.raises(UserError, match="from 32 to 100"):
        height_and_width(size, "key", smallest=32, largest=100)
