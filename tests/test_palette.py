"""The palette is a bijection between 19 train ids and 19 colours; everything else is void."""

import numpy as np
import pytest

from pix2pix_lit.palette import CLASS_NAMES, COLORS, NUM_CLASSES, VOID_ID, Label, colors_to_ids, ids_to_colors


def test_there_are_19_classes_with_distinct_colors() -> None:
    assert NUM_CLASSES == len(CLASS_NAMES) == len(COLORS) == 19
    assert len({tuple(color) for color in COLORS.tolist()}) == 19


@pytest.mark.parametrize(
    ("name", "train_id", "color"),
    [
        ("road", 0, (128, 64, 128)),
        ("traffic light", 6, (250, 170, 30)),
        ("sky", 10, (70, 130, 180)),
        ("bicycle", 18, (119, 11, 32)),
    ],
)
def test_names_and_colors_are_those_of_cityscapes(name: str, train_id: int, color: tuple[int, int, int]) -> None:
    assert CLASS_NAMES[train_id] == name
    assert tuple(COLORS[train_id]) == color
    assert Label(train_id).name.lower().replace("_", " ") == name


def test_every_id_survives_the_round_trip_through_colors() -> None:
    ids = np.concatenate([np.arange(NUM_CLASSES), [VOID_ID]]).astype(np.uint8).reshape(4, 5)
    colors = ids_to_colors(ids)
    assert colors.shape == (4, 5, 3)
    assert colors.dtype == np.uint8
    back = colors_to_ids(colors)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, ids)


def test_void_and_unused_ids_become_black() -> None:
    np.testing.assert_array_equal(
        ids_to_colors(np.array([[19, 100, 254, 255]], np.uint8)), np.zeros((1, 4, 3), np.uint8)
    )


def test_colors_off_by_one_or_unknown_become_void() -> None:
    near_misses = np.concatenate([COLORS[:, None] + np.uint8([1, 0, 0]), COLORS[:, None] - np.uint8([0, 0, 1])])
    exact = {tuple(color) for color in COLORS.tolist()}
    unknown = np.array([[color] for color in near_misses[:, 0].tolist() if tuple(color) not in exact], np.uint8)
    assert len(unknown) > 30
    assert (colors_to_ids(unknown) == VOID_ID).all()
    assert (colors_to_ids(np.array([[(0, 0, 0), (255, 255, 255)]], np.uint8)) == VOID_ID).all()


def test_the_shared_table_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        COLORS[0] = 0
