"""Files that are single photos, or whose halves have nothing in common, are told from pairs."""

import cv2
import numpy as np
import pytest

from pix2pix_lit.data.halves import check_halves
from pix2pix_lit.data.sources.streets import StreetsSource

Halves = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def pairs() -> Halves:
    source = StreetsSource(split="train", size=96, train_length=24)
    return [(pair.a, pair.b) for pair in map(source.__getitem__, range(24))]


def cut(images: list[np.ndarray]) -> Halves:
    return [(image[:, : image.shape[1] // 2], image[:, image.shape[1] // 2 :]) for image in images]


def jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)


def lines(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(255 - cv2.Canny(photo, 100, 200), cv2.COLOR_GRAY2RGB)


def moved(image: np.ndarray, by: int) -> np.ndarray:
    return np.roll(cv2.GaussianBlur(image, (0, 0), 1.5), by, (0, 1))


def framed(image: np.ndarray) -> np.ndarray:
    """On white, as the products of edges2shoes are."""
    return np.pad(image[16:-16, 16:-16], ((16, 16), (16, 16), (0, 0)), constant_values=255)


@pytest.mark.parametrize("count", [8, 12, 24])
def test_pairs_are_pairs(pairs, count):
    for a_of, b_of in (
        (lambda a, b: a, lambda a, b: b),
        (lambda a, b: b, lambda a, b: a),
        (lambda a, b: lines(a), lambda a, b: a),
        (lambda a, b: a, lambda a, b: 255 - moved(a, 2)),
        (lambda a, b: framed(lines(a)), lambda a, b: framed(a)),
    ):
        files = [np.hstack([a_of(a, b), b_of(a, b)]) for a, b in pairs[:count]]
        assert check_halves(cut(files)) is None
        assert check_halves(cut([jpeg(file) for file in files])) is None


@pytest.mark.parametrize("count", [8, 12, 24])
@pytest.mark.parametrize("side", [0, 1])
def test_single_photos_and_single_label_images_are_told(pairs, side, count):
    images = [pair[side] for pair in pairs[:count]]
    assert check_halves(cut(images)) == "single"
    assert check_halves(cut([jpeg(image) for image in images])) == "single"


def test_pairs_of_a_camera_that_does_not_move_are_pairs(pairs):
    assert check_halves([pairs[0]] * 24) is None


def test_halves_of_different_files_are_told(pairs):
    assert check_halves([(a, pairs[(index + 7) % 24][1]) for index, (a, _) in enumerate(pairs)]) == "unrelated"


def test_of_few_files_and_of_images_without_edges_nothing_is_said(pairs):
    assert check_halves(cut([a for a, _ in pairs[:7]])) is None
    assert check_halves([(np.full((64, 64, 3), shade, np.uint8),) * 2 for shade in range(24)]) is None
    assert check_halves([]) is None
