"""Paired augmentation."""

import cv2
import numpy as np
import pytest

from pix2pix_lit.data.transforms import PairTransform
from pix2pix_lit.errors import UserError


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose every pixel says where it is: (x, y, 0)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], -1).astype(np.uint8)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


SEEDS = [(7, epoch, index) for epoch in range(3) for index in range(100)]


def test_input_and_target_get_the_same_geometry():
    transform = PairTransform(40, 32, flip=True)
    image = noise(50, 60)
    for seed in SEEDS[:50]:
        input, target = transform(image, image.copy(), seed)
        np.testing.assert_array_equal(input, target)


def test_input_and_target_keep_their_own_contents():
    transform = PairTransform(40, 32, flip=True)
    for seed in SEEDS[:50]:
        input, target = transform(coordinates(40, 40), 255 - coordinates(40, 40), seed)
        np.testing.assert_array_equal(target, 255 - input)


def test_a_crop_is_a_window_of_the_resized_image_flipped_half_of_the_time():
    transform = PairTransform((40, 70), (32, 50), flip=True)
    tops, lefts, flips = set(), set(), 0
    for seed in SEEDS:
        crop, _ = transform(coordinates(40, 70), coordinates(40, 70), seed)
        flipped = crop[0, 0, 0] > crop[0, -1, 0]
        window = crop[:, ::-1] if flipped else crop
        left, top = (int(value) for value in window[0, 0, :2])
        np.testing.assert_array_equal(window, coordinates(40, 70)[top : top + 32, left : left + 50])
        tops.add(top)
        lefts.add(left)
        flips += flipped
    assert tops == set(range(9))  # 300 draws out of 9 and of 21
    assert lefts == set(range(21))
    assert abs(flips - 150) < 30  # three and a half standard deviations


def test_the_crop_is_cut_from_the_image_resized_to_load_size():
    transform = PairTransform((64, 80), (60, 72), flip=False)
    image = cv2.GaussianBlur(noise(32, 40), (0, 0), 2)
    resized = cv2.resize(image, (80, 64), interpolation=cv2.INTER_CUBIC)
    crop, _ = transform(image, image, (0, 0, 0))
    windows = [resized[top : top + 60, left : left + 72] for top in range(5) for left in range(9)]
    assert any(np.array_equal(crop, window) for window in windows)


def test_shrinking_averages_over_areas():
    image = noise(64, 96)
    small, _ = PairTransform((32, 48), (32, 48), flip=False)(image, image, (0, 0, 0))
    averages = image.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(small - averages).max() <= 0.5


def test_without_flip_nothing_is_mirrored():
    transform = PairTransform(36, 32, flip=False)
    crops = [transform(coordinates(36, 36), coordinates(36, 36), seed)[0] for seed in SEEDS]
    assert all(crop[0, 0, 0] < crop[0, -1, 0] for crop in crops)


def test_without_jitter_only_resize_and_flip_remain():
    transform = PairTransform((32, 48), (32, 48), flip=True)
    image = coordinates(32, 48)
    results = [transform(image, image, seed)[0] for seed in SEEDS]
    are_flipped = [np.array_equal(result, image[:, ::-1]) for result in results]
    are_plain = [np.array_equal(result, image) for result in results]
    assert sum(are_flipped) + sum(are_plain) == len(SEEDS)
    assert abs(sum(are_flipped) - 150) < 30


def test_without_jitter_and_flip_an_image_of_the_right_size_stays_as_it_is():
    input, target = PairTransform((6, 9), (6, 9), flip=False)(noise(6, 9, 0), noise(6, 9, 1), (0, 0, 0))
    np.testing.assert_array_equal(input, noise(6, 9, 0))
    np.testing.assert_array_equal(target, noise(6, 9, 1))


def test_the_result_depends_on_the_seed_alone():
    image = coordinates(48, 48)
    one, other = PairTransform(48, 32, flip=True), PairTransform(48, 32, flip=True)
    forwards = {seed: one(image, image, seed)[0] for seed in SEEDS[:40]}
    np.random.seed(1)  # noqa: NPY002  (global state shall not matter)
    backwards = {seed: other(image, image, seed)[0] for seed in reversed(SEEDS[:40])}
    for seed, crop in forwards.items():
        np.testing.assert_array_equal(crop, backwards[seed])


@pytest.mark.parametrize("position", range(3))
def test_every_part_of_the_seed_matters(position):
    transform = PairTransform(250, 100, flip=True)
    image = coordinates(250, 250)
    crops = set()
    for value in range(20):
        seed = [3, 3, 3]
        seed[position] = value
        crops.add(transform(image, image, seed)[0].tobytes())
    assert len(crops) > 15


def test_a_malformed_size_is_refused_with_its_key():
    with pytest.raises(UserError, match=r"data\.load_size is 0; expected"):
        PairTransform(0, 32, flip=False)
    with pytest.raises(UserError, match=r"data\.crop_size is \[3\]; expected"):
        PairTransform(32, [3], flip=False)


@pytest.mark.parametrize(("load_size", "crop_size"), [(32, 33), ([32, 64], [33, 64]), ([32, 64], [32, 65])])
def test_a_crop_larger_than_the_resized_image_is_refused(load_size, crop_size):
    with pytest.raises(UserError, match=r"data\.crop_size .* is larger than data\.load_size .*raise data\.load_size"):
        PairTransform(load_size, crop_size, flip=False)
