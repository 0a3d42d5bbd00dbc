"""Contact grids."""

import numpy as np
import pytest

from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.grid import GridPages, Group, draw_grid, font_for, shortened


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def box(grid: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the one filled rectangle of this colour."""
    rows, columns = np.nonzero((grid == color).all(-1))
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    assert len(rows) == (bottom - top) * (right - left), f"{color} is no rectangle"
    return int(top), int(left), int(bottom - top), int(right - left)


def ink(grid: np.ndarray, *colors: tuple[int, int, int]) -> np.ndarray:
    """(H, W): whether a pixel is dark and none of these colours."""
    drawn = (grid < 140).all(-1)
    for color in colors:
        drawn &= (grid != color).any(-1)
    return drawn


WHITE, RED, GREEN, BLUE, GOLD = (255, 255, 255), (200, 1, 1), (1, 200, 1), (1, 1, 200), (200, 150, 1)


def test_images_stand_in_rows_and_columns_four_pixels_apart():
    one = {"input": flat(60, 100, RED), "output": flat(60, 100, BLUE)}
    other = {"input": flat(60, 100, GREEN), "output": flat(60, 100, GOLD)}
    grid = draw_grid([Group("", [one]), Group("", [other])])
    top, left, *_ = box(grid, RED)
    assert (left, top) == (4, 4 + 15)  # below captions of 11 pixels
    assert box(grid, RED)[2:] == (60, 100)
    assert box(grid, GREEN) == (top + 64, left, 60, 100)
    assert box(grid, BLUE) == (top, left + 104, 60, 100)
    assert box(grid, GOLD) == (top + 64, left + 104, 60, 100)
    assert grid.shape == (top + 64 + 60 + 4, left + 104 + 100 + 4, 3)


def test_smaller_images_stand_at_the_upper_left_of_their_cells():
    rows = [{"a": flat(20, 60, RED), "b": flat(50, 40, BLUE)}, {"a": flat(40, 30, GREEN), "b": flat(10, 70, GOLD)}]
    grid = draw_grid([Group("", rows)])
    top = box(grid, RED)[0]
    assert box(grid, RED) == (top, 4, 20, 60)
    assert box(grid, BLUE) == (top, 68, 50, 40)
    assert box(grid, GREEN) == (top + 54, 4, 40, 30)
    assert box(grid, GOLD) == (top + 54, 68, 10, 70)
    assert grid.shape == (top + 54 + 40 + 4, 68 + 70 + 4, 3)


def test_pixels_are_copied_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    grid = draw_grid([Group("", [{"x": image}])])
    np.testing.assert_array_equal(grid[-37:-4, 4:-4], image)


def test_captions_are_drawn_above_the_images_and_nowhere_else():
    assert not ink(draw_grid([Group("", [{"": flat(100, 200, WHITE)}])])).any()
    rows, columns = np.nonzero(ink(draw_grid([Group("", [{"generated": flat(100, 200, WHITE)}])])))
    assert rows.max() < 4 + 15
    assert abs((columns.min() + columns.max()) / 2 - 104) < 3


def test_the_name_of_a_group_stands_above_it_and_captions_only_where_they_change():
    def lines_of_text(*groups: Group) -> int:
        drawn = ink(draw_grid(groups)).any(1)
        return int((np.diff(drawn.astype(int)) == 1).sum())

    row = {"EE": flat(100, 300, WHITE), "HH": flat(100, 300, WHITE)}
    other = {"HH": flat(100, 300, WHITE), "EE": flat(100, 300, WHITE)}
    assert lines_of_text(Group("", [row])) == 1
    assert lines_of_text(Group("EEE", [row])) == 2
    assert lines_of_text(Group("EEE", [row]), Group("HHH", [row])) == 3
    assert lines_of_text(Group("EEE", [row, other])) == 3


def test_a_heading_stands_above_everything():
    groups = [Group("", [{"": flat(100, 200, RED)}])]
    assert box(draw_grid(groups, "epoch 3, step 700"), RED)[0] > box(draw_grid(groups), RED)[0] + 11
    assert ink(draw_grid(groups, "epoch 3, step 700"), RED).any()


@pytest.mark.parametrize(("columns", "count"), [(2, 12), (2, 4), (3, 8), (1, 9)])
def test_many_groups_stand_in_blocks_side_by_side_that_make_no_strip(columns, count):
    rows = [
        {str(column): flat(64, 64, (count, column, number)) for column in range(columns)} for number in range(count)
    ]
    grid = draw_grid([Group(f"{number}.png", [row]) for number, row in enumerate(rows)])
    height, width, _ = grid.shape
    assert 1 / 2 < width / height < 2.8
    places = [box(grid, (count, 0, number))[:2] for number in range(count)]
    assert places == sorted(places, key=lambda place: (place[1], place[0]))  # down one block, then down the next
    assert len({left for _, left in places}) > 1


def test_text_grows_with_the_images():
    def height_of_text(side: int) -> int:
        rows = np.nonzero(ink(draw_grid([Group("", [{"E": flat(side, side, WHITE)}])])).any(1))[0]
        return int(rows.max() - rows.min() + 1)

    assert 7 <= height_of_text(32) == height_of_text(64) < height_of_text(256) < height_of_text(512)
    assert height_of_text(1024) == pytest.approx(2 * height_of_text(512), abs=2)


def test_long_text_is_shortened_in_the_middle_to_its_width():
    font, text = font_for("a_very_long_name_of_a_file_0001_leftImg8bit.png", 16)
    short = shortened(text, font, 150)
    assert font.getlength(short) <= 150 < font.getlength(text)
    beginning, end = short.split("…")
    assert text.startswith(beginning)
    assert text.endswith(end)
    assert len(end) >= 4
    assert shortened(text, font, 10_000) == text
    grid = draw_grid([Group(text * 9, [{text: flat(40, 60, WHITE)}])], heading=text)
    assert not ink(grid)[:, -3:].any()


@pytest.mark.parametrize(
    "name", ["café.png", "caf\udce9.png", "\u8857\u9053.png", "a\nb\x1b[2J.png", "", "\U0001f600.png"]
)
def test_names_of_any_characters_can_be_drawn(name):
    assert draw_grid([Group(name, [{"a": flat(64, 64, RED)}])], heading=name).ndim == 3


def test_characters_that_no_font_has_are_drawn_by_their_number():
    assert font_for("\U0010fff0x", 12)[1] == "\\U0010fff0x"
    assert font_for("a b…", 12)[1] == "a b…"


def test_an_image_of_one_pixel_has_its_place():
    assert box(draw_grid([Group("", [{"a": flat(1, 1, RED)}])]), RED)[1:] == (4, 1, 1)


@pytest.mark.parametrize(("count", "rows_of_pages"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_pages_hold_all_files_in_order(tmp_path, count, rows_of_pages):
    pages = GridPages(str(tmp_path), rows=3)
    rows = [{"a": flat(12, 16, (i, 0, 90)), "b": flat(12, 16, (i, 90, 0))} for i in range(count)]
    for number, row in enumerate(rows):
        pages.add(f"{number}.png", row)
    pages.close()
    pages.close()  # nothing is left to be written
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"grid_{page:04d}.png" for page in range(1, len(rows_of_pages) + 1)]
    start = 0
    for path, length in zip(paths, rows_of_pages, strict=True):
        expected = draw_grid([Group(f"{i}.png", [rows[i]]) for i in range(start, start + length)])
        np.testing.assert_array_equal(read_image(path), expected)
        start += length


def test_large_images_are_scaled_down_with_their_proportions(tmp_path):
    pages = GridPages(str(tmp_path), longest_side=64)
    pages.add("x.png", {"large": flat(100, 200, RED), "small": flat(30, 20, BLUE)})
    pages.close()
    grid = read_image(tmp_path / "grid_0001.png")
    assert box(grid, RED)[2:] == (32, 64)
    assert box(grid, BLUE)[2:] == (30, 20)
