"""Drawn street scenes are reproducible, fully labelled, and rich in what labels do not tell."""

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.palettes import COLORS, NUM_CLASSES, Label, ids_to_colors


@cache
def _scenes(count: int = 24) -> list[tuple[np.ndarray, np.ndarray]]:
    """Photos and train ids of the first scenes, small."""
    source = StreetsSource(size=96)
    return [(source[index].a, source.label_ids(index)) for index in range(count)]


def test_the_same_index_always_gives_the_same_pair() -> None:
    first, second = StreetsSource(size=64)[7], StreetsSource(size=64)[7]
    np.testing.assert_array_equal(first.a, second.a)
    np.testing.assert_array_equal(first.b, second.b)
    assert first.name == second.name == "train_00007"


def test_the_order_of_access_and_the_global_generator_do_not_matter() -> None:
    forwards, backwards = StreetsSource(size=64), StreetsSource(size=64)
    expected = [forwards[index] for index in range(4)]
    np.random.seed(123)  # noqa: NPY002  the legacy generator is just what must not matter
    for index in reversed(range(4)):
        pair = backwards[index]
        np.testing.assert_array_equal(pair.a, expected[index].a)
        np.testing.assert_array_equal(pair.b, expected[index].b)


@pytest.mark.parametrize("other", [(0, "train", 4), (1, "train", 3), (0, "val", 3)])
def test_another_index_seed_or_split_gives_another_scene(other: tuple[int, str, int]) -> None:
    seed, split, index = other
    base, changed = StreetsSource(size=64)[3], StreetsSource(split=split, size=64, seed=seed)[index]
    assert (base.a != changed.a).mean() > 0.5
    assert (base.b != changed.b).any()


def test_labels_have_palette_colors_only_and_agree_with_label_ids() -> None:
    source = StreetsSource(size=64)
    palette = {tuple(color) for color in COLORS.tolist()}
    for index in range(5):
        colors = source[index].b
        assert {tuple(color) for color in colors.reshape(-1, 3).tolist()} <= palette
        np.testing.assert_array_equal(colors, ids_to_colors(source.label_ids(index)))


@pytest.mark.slow
def test_all_19_classes_occur() -> None:
    source = StreetsSource(size=64)
    found: set[int] = set()
    for index in range(60):
        found |= set(np.unique(source.label_ids(index)).tolist())
    assert found == set(range(NUM_CLASSES))


@pytest.mark.parametrize("size", [32, [32, 64], [96, 48], (50, 131), [1024, 32], [32, 1024]])
def test_pairs_have_the_requested_size(size: int | list[int] | tuple[int, int]) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    pair = StreetsSource(size=size)[0]
    for image in (pair.a, pair.b):
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
    label_ids = StreetsSource(size=size).label_ids(0)
    assert label_ids.shape == (height, width)
    assert label_ids.dtype == np.uint8


def test_a_scene_is_the_same_at_any_size() -> None:
    small, large = StreetsSource(size=96), StreetsSource(size=192)
    agreement = []
    for index in range(8):
        shrunk = cv2.resize(large.label_ids(index), (96, 96), interpolation=cv2.INTER_NEAREST)
        agreement.append((shrunk == small.label_ids(index)).mean())
    assert min(agreement) > 0.85
    assert np.mean(agreement) > 0.9


def test_the_look_of_a_class_varies_between_scenes() -> None:
    def mean_colors(label: int) -> np.ndarray:
        return np.array([photo[ids == label].mean(0) for photo, ids in _scenes() if (ids == label).sum() > 100])

    for label in (Label.BUILDING, Label.ROAD, Label.SKY, Label.VEGETATION, Label.CAR):
        colors = mean_colors(label)
        assert len(colors) >= 8
        assert colors.std(0).min() > 8, label.name


def test_photos_have_detail_inside_of_a_class() -> None:
    for label, least in ((Label.VEGETATION, 6), (Label.BUILDING, 4), (Label.ROAD, 2)):
        energies = []
        for photo, ids in _scenes():
            mask = (ids == label).astype(np.uint8)
            inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
            if inside.sum() > 100:
                gray = photo.mean(2)
                energies.append((gray - cv2.GaussianBlur(gray, (0, 0), 2))[inside].std())
        assert np.median(energies) > least, label.name


def test_photos_obey_what_everybody_knows_about_streets() -> None:
    sky, road, green = [], [], []
    for photo, ids in _scenes():
        sky.append(photo[ids == Label.SKY].mean() if (ids == Label.SKY).any() else np.nan)
        road.append(photo[ids == Label.ROAD].mean())
        plants = photo[ids == Label.VEGETATION]
        if len(plants) > 100:
            green.append(plants[:, 1].mean() - plants[:, 2].mean())
    assert np.nanmean(sky) > np.mean(road) + 20
    assert np.mean(green) > 10
    rows = np.concatenate([np.nonzero(ids == Label.SKY)[0] for _, ids in _scenes()])
    assert rows.mean() < 40


def test_edges_of_labels_and_photo_coincide() -> None:
    # Sky against anything is the clearest edge there is: the photo's vertical gradient must peak right there.
    strengths: dict[int, list[float]] = {offset: [] for offset in range(-3, 4)}
    for photo, ids in _scenes():
        gray = photo.mean(2)
        rows, columns = np.nonzero((ids[3:-4] == Label.SKY) & (ids[4:-3] == Label.BUILDING))
        for offset in strengths:
            at = rows + 3 + offset
            strengths[offset] += np.abs(gray[at + 1, columns] - gray[at, columns]).tolist()
    means = [float(np.mean(strengths[offset])) for offset in range(-3, 4)]
    assert max(means) == means[3]
    assert all(before < after for before, after in pairwise(means[1:4]))


def test_lengths_are_as_given_and_access_beyond_is_an_index_error() -> None:
    train, val = (StreetsSource(split=split, size=32, train_length=5, val_length=2) for split in ("train", "val"))
    assert (len(train), len(val)) == (5, 2)
    assert len(list(iter(val))) == 2
    for index in (2, 1000, -1):
        with pytest.raises(IndexError, match="has 2 pairs"):
            val[index]
        with pytest.raises(IndexError):
            val.label_ids(index)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": "/data/streets"}, "/data/streets"),
        ({"split": "test"}, "train and val"),
        ({"size": 0}, "size is 0"),
        ({"size": 16}, "32 to 4096"),
        ({"size": [256]}, "height,width"),
        ({"size": [256, 256, 3]}, "height,width"),
        ({"size": "256"}, "size is .256"),
        ({"size": 256.5}, "256.5"),
        ({"train_length": -1}, "train_length is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_nonsense_is_refused_with_a_message_for_people(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("[", r"\[")):
        StreetsSource(**arguments)  # type: ignore[arg-type]
