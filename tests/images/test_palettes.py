"""Classes and colours: names, numbers and colours belong together; everything else is void."""

import json

import numpy as np
import pytest

from pix2pix_lit.images.palettes import (
    CITYSCAPES_LABELS,
    CLASS_NAMES,
    COLORS,
    FACADES,
    ID_VALUES,
    NUM_CLASSES,
    PALETTES,
    VOID_ID,
    Label,
    ids_to_colors,
    nearest_colors,
    off_palette,
)


def noise(height: int = 20, width: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def distances(image: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(H, W, number of colours)."""
    return np.linalg.norm(image[:, :, None].astype(np.float64) - palette, axis=-1)


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


def test_members_of_label_are_named_as_the_classes() -> None:
    names = [label.name.lower().replace("_", " ") for label in Label if label != VOID_ID]
    assert names == list(CLASS_NAMES)


def test_every_label_of_cityscapes_is_there_once_in_the_order_of_its_id() -> None:
    assert [label.id for label in CITYSCAPES_LABELS] == [*range(34), -1]
    assert len({label.name for label in CITYSCAPES_LABELS}) == 35
    evaluated = [label.id for label in CITYSCAPES_LABELS if label.train_id != VOID_ID]
    assert evaluated == [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


def test_ids_become_the_colors_of_their_classes() -> None:
    ids = np.arange(NUM_CLASSES - 1, -1, -1, dtype=np.uint8).reshape(1, NUM_CLASSES)
    colors = ids_to_colors(ids)
    assert colors.dtype == np.uint8
    np.testing.assert_array_equal(colors, COLORS[None, ::-1])


def test_void_and_unused_ids_become_black() -> None:
    np.testing.assert_array_equal(
        ids_to_colors(np.array([[19, 100, 254, 255]], np.uint8)), np.zeros((1, 4, 3), np.uint8)
    )


def test_the_shared_tables_cannot_be_changed_by_accident() -> None:
    for table in (COLORS, *PALETTES.values()):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


def test_the_palette_of_all_cityscapes_colors_begins_with_the_evaluated_ones() -> None:
    assert [len(PALETTES[name]) for name in ("cityscapes", "cityscapes_all", "cityscapes_label_ids")] == [20, 29, 35]
    np.testing.assert_array_equal(PALETTES["cityscapes"], [*COLORS, (0, 0, 0)])
    everything = PALETTES["cityscapes_all"]
    np.testing.assert_array_equal(everything[:20], PALETTES["cityscapes"])
    assert {tuple(color) for color in everything.tolist()} == {label.color for label in CITYSCAPES_LABELS}
    assert len({tuple(color) for color in everything.tolist()}) == 29


def test_facades_have_twelve_steps_of_a_rainbow() -> None:
    assert list(FACADES)[::11] == ["background", "shop"]
    assert FACADES["window"] == (0, 128, 255)
    # MATLAB's jet(64) from 1: blue is a trapezoid around colour 16, green around 32 and red around 48.
    steps = 1 + 5 * np.arange(1, 13)
    jet = np.stack([1.5 - np.abs(steps - center) / 16 for center in (48, 32, 16)], -1).clip(0, 1)
    assert np.abs(PALETTES["facades"] - 255 * jet).max() < 1.6  # as JPEG has it


def test_train_ids_of_label_ids_are_those_of_the_evaluated_classes_and_one_for_the_rest() -> None:
    values = ID_VALUES["cityscapes_train_ids"]
    assert set(values) == {*range(34), 255}
    assert {id: number for id, number in values.items() if number < 19} == dict(
        zip([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33], range(19), strict=True)
    )
    assert max(values.values()) == values[0] == values[255] == 19


def test_label_ids_are_class_numbers_except_255() -> None:
    assert ID_VALUES["cityscapes_label_ids"] == {id: id for id in range(34)} | {255: 34}
    palette = PALETTES["cityscapes_label_ids"]
    assert [tuple(palette[label.id].tolist()) for label in CITYSCAPES_LABELS if label.id >= 0] == [
        label.color for label in CITYSCAPES_LABELS if label.id >= 0
    ]
    assert tuple(palette[34]) == (0, 0, 0)


def test_tables_of_values_are_plain_numbers() -> None:
    for values in ID_VALUES.values():
        assert {type(number) for number in values.values()} == {int}
        assert json.loads(json.dumps(values)) == {str(id): number for id, number in values.items()}


@pytest.mark.parametrize("name", list(PALETTES))
def test_every_color_becomes_the_nearest_one_of_the_palette(name: str) -> None:
    palette = PALETTES[name]
    for seed in range(3):  # what is known of earlier images must not show
        image = noise(seed=seed)
        snapped = nearest_colors(image, palette)
        assert snapped.shape == image.shape
        assert snapped.dtype == np.uint8
        np.testing.assert_array_equal(snapped, palette[distances(image, palette).argmin(-1)])


def test_two_palettes_do_not_mix() -> None:
    image = noise()
    for palette in (noise(1, 7, seed=1)[0], noise(1, 7, seed=2)[0], noise(1, 300, seed=3)[0], noise(1, 7, seed=1)[0]):
        np.testing.assert_array_equal(nearest_colors(image, palette), palette[distances(image, palette).argmin(-1)])


def test_the_first_of_equally_near_colors_is_taken() -> None:
    image = np.full((1, 1, 3), 10, np.uint8)
    low, high = (10, 10, 5), (10, 10, 15)
    for palette in ([low, high], [high, low], [(0, 0, 0), high, low, high]):
        expected = low if palette[0] == low else high
        assert nearest_colors(image, np.array(palette, np.uint8))[0, 0].tolist() == list(expected)


def test_colors_of_a_palette_and_halves_of_images_stay_what_they_are() -> None:
    image = PALETTES["cityscapes_all"][np.random.default_rng(0).integers(0, 29, (6, 10))]
    np.testing.assert_array_equal(nearest_colors(image[:, 5:], PALETTES["cityscapes_all"]), image[:, 5:])
    assert off_palette(image[:, 5:], PALETTES["cityscapes_all"], 0) == 0.0


@pytest.mark.parametrize("distance", [0, 20, 45.5, 80, 442])
def test_pixels_off_the_palette_are_those_farther_than_the_distance(distance: float) -> None:
    image, palette = noise(), PALETTES["cityscapes"]
    expected = (distances(image, palette).min(-1) > distance).mean()
    assert off_palette(image, palette, distance) == pytest.approx(expected, abs=1e-9)
    if 20 <= distance <= 80:
        assert 0.05 < expected < 1


def test_a_pixel_exactly_at_the_distance_is_not_off_the_palette() -> None:
    image, palette = np.array([[(3, 4, 0), (3, 4, 1)]], np.uint8), np.zeros((1, 3), np.uint8)
    assert off_palette(image, palette, 5) == 0.5
