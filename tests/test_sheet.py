"""Contact sheets."""

import numpy as np
import pytest

from pix2pix_lit.images import read_image
from pix2pix_lit.sheet import SheetPages, draw_sheet


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def box(sheet: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the one filled rectangle of this colour."""
    rows, columns = np.nonzero((sheet == color).all(-1))
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    assert len(rows) == (bottom - top) * (right - left), f"{color} is no rectangle"
    return int(top), int(left), int(bottom - top), int(right - left)


RED, GREEN, BLUE, GOLD = (200, 1, 1), (1, 200, 1), (1, 1, 200), (200, 150, 1)


def test_images_stand_in_rows_and_columns_four_pixels_apart():
    sheet = draw_sheet(
        {"input": [flat(30, 50, RED), flat(30, 50, GREEN)], "output": [flat(30, 50, BLUE), flat(30, 50, GOLD)]}
    )
    top, left, *_ = box(sheet, RED)
    assert (left, top) == (4, 16)  # below 12 pixels of captions
    assert box(sheet, RED)[2:] == (30, 50)
    assert box(sheet, GREEN) == (top + 34, left, 30, 50)
    assert box(sheet, BLUE) == (top, left + 54, 30, 50)
    assert box(sheet, GOLD) == (top + 34, left + 54, 30, 50)
    assert sheet.shape == (top + 34 + 30 + 4, left + 54 + 50 + 4, 3)


def test_smaller_images_stand_at_the_upper_left_of_their_cells():
    sheet = draw_sheet({"a": [flat(20, 60, RED), flat(40, 30, GREEN)], "b": [flat(50, 40, BLUE), flat(10, 70, GOLD)]})
    top = box(sheet, RED)[0]
    assert box(sheet, RED) == (top, 4, 20, 60)
    assert box(sheet, BLUE) == (top, 68, 50, 40)
    assert box(sheet, GREEN) == (top + 54, 4, 40, 30)
    assert box(sheet, GOLD) == (top + 54, 68, 10, 70)
    assert sheet.shape == (top + 54 + 40 + 4, 68 + 70 + 4, 3)


def test_pixels_are_copied_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    sheet = draw_sheet({"x": [image]})
    np.testing.assert_array_equal(sheet[-37:-4, 4:-4], image)


def test_captions_are_drawn_above_the_images_and_nowhere_else():
    def ink(caption: str) -> np.ndarray:
        sheet = draw_sheet({caption: [flat(100, 200, (255, 255, 255))]})
        return (sheet < 128).all(-1)

    assert not ink("").any()
    rows, columns = np.nonzero(ink("generated"))
    assert rows.max() < ink("").shape[0] - 104
    assert abs((columns.min() + columns.max()) / 2 - 104) < 3


def test_an_image_of_one_pixel_has_its_place():
    assert box(draw_sheet({"a": [flat(1, 1, RED)]}), RED)[1:] == (4, 1, 1)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        draw_sheet({"a": [flat(4, 4, RED)] * 2, "b": [flat(4, 4, BLUE)]})


@pytest.mark.parametrize(("count", "rows_of_pages"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_pages_hold_all_rows_in_order(tmp_path, count, rows_of_pages):
    pages = SheetPages(str(tmp_path), rows=3)
    rows = [{"a": flat(12, 16, (i, 0, 90)), "b": flat(12, 16, (i, 90, 0))} for i in range(count)]
    for row in rows:
        pages.add(row)
    pages.close()
    pages.close()  # nothing is left to be written
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"sheet_{page:04d}.png" for page in range(1, len(rows_of_pages) + 1)]
    start = 0
    for path, length in zip(paths, rows_of_pages, strict=True):
        of_page = rows[start : start + length]
        expected = draw_sheet({key: [row[key] for row in of_page] for key in ("a", "b")})
        np.testing.assert_array_equal(read_image(path), expected)
        start += length


def test_large_images_are_scaled_down_with_their_proportions(tmp_path):
    pages = SheetPages(str(tmp_path), longest_side=64)
    pages.add({"large": flat(100, 200, RED), "small": flat(30, 20, BLUE)})
    pages.close()
    sheet = read_image(tmp_path / "sheet_0001.png")
    assert box(sheet, RED)[2:] == (32, 64)
    assert box(sheet, BLUE)[2:] == (30, 20)
