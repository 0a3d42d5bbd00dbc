"""Which pairs count as misregistered, by numbers."""

import numpy as np
import pytest

from pix2pix_lit.images.registration import Registration, find_misregistered, register

USUAL = [Registration(0.3 + 0.002 * (i % 20), 0.3 + 0.002 * (i % 20), 0, 0, 0.1, 1) for i in range(60)]
MIXED = [Registration(0.001 * (i % 40), 0.05 + 0.001 * (i % 40), 9, -5, 0.1, 1) for i in range(60)]


NOTHING: tuple[list[int], list[int]] = ([], [])


def found(*odd: Registration) -> tuple[list[int], list[int]]:
    """Shifted and mismatched pairs among the usual ones and the odd ones, which start at 60."""
    result = find_misregistered([*USUAL, *odd], MIXED)
    assert result.skipped == ""
    return list(result.shifted), list(result.mismatched)


def blobs(size: int = 128) -> np.ndarray:
    """A picture of rectangles in gray."""
    dice = np.random.default_rng(0)
    picture = np.full((size, size, 3), 200, np.uint8)
    for y, x, height, width in dice.integers(size // 16, size // 2, (12, 4)):
        picture[y : y + height, x : x + width] = dice.integers(0, 255)
    return picture


def test_a_usual_set_is_fine():
    assert found() == NOTHING
    assert find_misregistered(USUAL, MIXED).usual == pytest.approx(0.32, abs=0.01)


def test_a_clear_peak_elsewhere_is_a_shift():
    assert found(Registration(0.05, 0.3, 8, 0, 0.1, 1)) == ([60], [])


def test_a_peak_that_is_hardly_higher_than_here_is_no_shift():
    assert found(Registration(0.28, 0.3, 8, 0, 0.1, 1)) == NOTHING


def test_a_peak_no_higher_than_by_chance_is_no_shift_but_a_mismatch():
    assert found(Registration(0.01, 0.07, 8, 0, 0.1, 1)) == ([], [60])


def test_a_pair_below_most_but_above_mixed_ones_is_fine():
    assert found(Registration(0.06, 0.06, 0, 0, 0.1, 1)) == NOTHING


def test_pictures_of_few_edges_are_not_checked():
    assert found(Registration(0.0, 0.3, 8, 0, 0.02, 1), Registration(0.0, 0.0, 8, 0, 0.02, 1)) == NOTHING


def test_a_set_without_a_usual_place_is_not_checked():
    scattered = [Registration(0.1, 0.3, 20 * (i % 3), -20 * (i % 2), 0.1, 1) for i in range(60)]
    assert find_misregistered(scattered, MIXED).skipped == "edges of A and B are too different to be compared"


def test_a_set_without_edges_is_not_checked():
    flat = [pair._replace(edges=0.0) for pair in USUAL]
    assert find_misregistered(flat, MIXED).skipped == "hardly any edges to compare"


def test_shifts_count_in_relation_to_the_size_of_the_pictures():
    assert found(Registration(0.05, 0.3, 8, 0, 0.1, 4))[0] == []
    assert found(Registration(0.05, 0.3, 16, 0, 0.1, 4)) == ([60], [])


@pytest.mark.parametrize("scale", [1, 4])
def test_shift_is_how_far_b_has_to_move_in_pixels_of_the_pictures(scale):
    a = blobs().repeat(scale, 0).repeat(scale, 1)
    b = 255 - np.roll(a, (5 * scale, -7 * scale), (0, 1))
    measured = register(a, b)
    assert (measured.dx, measured.dy) == pytest.approx((7 * scale, -5 * scale), abs=scale)
    assert measured.best > 0.7
    assert measured.here < 0.5 * measured.best


def test_brightness_and_its_sign_mean_nothing():
    a = blobs()
    measured = register(a, 40 - a // 7)
    assert measured.here > 0.8
    assert (measured.dx, measured.dy) == (0, 0)
