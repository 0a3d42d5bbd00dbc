"""Paired augmentation."""

import albumentations as A
import cv2
import numpy as np
import pytest

from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType

IDS = ImageType(kind="ids", channels=1, classes=40)
COLORS = ImageType(kind="colors")
DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])
BANDS = ImageType(channels=7, dtype="float32", range=[-1, 1])
SEEDS = [(7, epoch, index) for epoch in range(3) for index in range(100)]


def augmentation(crop_size=32, input_type=RGB, target_type=RGB, **options) -> Augmentation:
    return Augmentation(input_type, target_type, crop_size, **options)


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose every pixel says where it is: (x, y, 0)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], -1).astype(np.uint8)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def test_input_and_target_get_the_same_window():
    image = noise(40, 40)
    for seed in SEEDS[:50]:
        input, target = augmentation(flip=True)(image, 255 - image, seed)
        np.testing.assert_array_equal(target, 255 - input)


def test_a_crop_is_a_window_at_any_place_flipped_half_of_the_time():
    augment = augmentation((32, 50), flip=True)
    tops, lefts, flips = set(), set(), 0
    for seed in SEEDS:
        crop, _ = augment(coordinates(40, 70), coordinates(40, 70), seed)
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


def test_without_flip_nothing_is_mirrored():
    crops = [augmentation()(coordinates(36, 36), coordinates(36, 36), seed)[0] for seed in SEEDS]
    assert all(crop[0, 0, 0] < crop[0, -1, 0] for crop in crops)


def test_without_room_and_flip_a_pair_stays_as_it_is():
    input, target = augmentation((6, 9))(noise(6, 9, seed=0), noise(6, 9, seed=1), (0, 0, 0))
    np.testing.assert_array_equal(input, noise(6, 9, seed=0))
    np.testing.assert_array_equal(target, noise(6, 9, seed=1))


@pytest.mark.parametrize("image_type", [IDS, DEPTH, BANDS], ids=["ids", "depth", "bands"])
def test_images_of_any_type_keep_dtype_and_planes(image_type):
    image = noise(40, 40, image_type.planes).astype(image_type.stored_dtype)
    for seed in SEEDS[:4]:
        crop, target = augmentation(input_type=image_type, flip=True)(image, noise(40, 40), seed)
        assert crop.shape == (32, 32, image_type.planes)
        assert crop.dtype == image_type.stored_dtype
        assert target.shape == (32, 32, 3)


ROTATE = {"rotate": A.Rotate(limit=(30, 30), border_mode=cv2.BORDER_REFLECT_101, p=1)}


@pytest.mark.parametrize(("options", "is_blended"), [({}, False), ({"blend_labels": True}, True)])
def test_labels_are_warped_by_nearest_neighbour_unless_wanted_otherwise(options, is_blended):
    labels = np.zeros((40, 40, 3), np.uint8)
    labels[10:30, 10:30] = 200
    augment = augmentation(40, input_type=COLORS, geometry=ROTATE, **options)
    warped, photo = augment(labels, labels.copy(), (0, 0, 0))
    assert (set(np.unique(warped)) == {0, 200}) != is_blended
    assert len(np.unique(photo)) > 2  # a continuous image is blended
    assert not np.array_equal(warped, labels)


def test_two_label_images_are_warped_alike():
    labels = noise(40, 40, 1) % 40
    augment = augmentation(40, input_type=IDS, target_type=IDS, geometry=ROTATE)
    input, target = augment(labels, (39 - labels).astype(np.uint8), (0, 0, 0))
    assert not np.array_equal(input, labels)
    np.testing.assert_array_equal(target, 39 - input)


@pytest.mark.parametrize(
    "transform",
    [
        A.RandomScale(scale_limit=(0.1, 0.4), p=1),
        A.OneOf([A.RandomResizedCrop(size=(64, 64), scale=(0.4, 0.8), p=1)], p=1),
        A.Rotate(limit=10, border_mode=cv2.BORDER_REFLECT_101, p=1),
        A.Affine(scale=(0.8, 1.2), border_mode=cv2.BORDER_REFLECT_101, p=1),
    ],
    ids=["scale", "crop", "rotate", "affine"],
)
def test_labels_stay_where_their_photograph_is(transform):
    heights, numbers = (
        ImageType(channels=2, dtype="float32", range=[0, 64]),
        ImageType(channels=1, kind="ids", classes=64),
    )
    y, x = np.mgrid[:64, :64]
    photo = np.stack([x, y], -1).astype(np.float32)
    augment = Augmentation(heights, numbers, 48, geometry={"it": transform})
    for axis, labels in enumerate((x, y)):
        biases = []
        for seed in SEEDS[:20]:
            warped, moved = augment(photo, labels[..., None].astype(np.uint8), seed)
            biases.append(np.median((moved[..., 0] - warped[..., axis])[10:-10, 10:-10]))
        assert abs(np.mean(biases)) < 0.06  # pixels; the default of albumentations has 0.3 to 0.5


def test_a_fill_that_is_no_class_is_refused():
    cutout = {"cutout": A.CoarseDropout(fill_mask=255, p=1)}
    with pytest.raises(UserError, match="made the class number 255; expected 0 to 39: set fill_mask"):
        augmentation(input_type=IDS, geometry=cutout)(np.zeros((40, 40, 1), np.uint8), noise(40, 40), (0, 0, 0))


@pytest.mark.parametrize("image_type", [DEPTH, BANDS], ids=["depth", "bands"])
def test_geometry_moves_all_channels_of_any_depth_alike(image_type):
    flip = {"flip": A.HorizontalFlip(p=1), "turn": A.Transpose(p=1)}
    image = noise(40, 40, image_type.planes).astype(image_type.dtype)
    warped, photo = augmentation(40, input_type=image_type, geometry=flip)(image, noise(40, 40), (0, 0, 0))
    np.testing.assert_array_equal(warped, image[:, ::-1].transpose(1, 0, 2))
    np.testing.assert_array_equal(photo, noise(40, 40)[:, ::-1].transpose(1, 0, 2))
    assert warped.dtype == image_type.dtype


BRIGHTER = {"brighter": A.RandomBrightnessContrast(brightness_limit=(0.2, 0.2), contrast_limit=(0, 0), p=1)}


@pytest.mark.parametrize(
    ("input_type", "target_type", "on", "changed"),
    [
        (COLORS, RGB, "auto", 1),
        (RGB, COLORS, "auto", 0),
        (RGB, RGB, "auto", 0),
        (RGB, RGB, "target", 1),
        (RGB, RGB, "input", 0),
    ],
)
def test_photometric_transforms_touch_one_continuous_image(input_type, target_type, on, changed):
    augment = augmentation(40, input_type=input_type, target_type=target_type, photometric=BRIGHTER, photometric_on=on)
    gray = np.full((40, 40, 3), 100, np.uint8)
    pair = augment(gray, gray.copy(), (0, 0, 0))
    assert np.unique(pair[changed]).tolist() == [151]  # 0.2 of 255 more
    assert np.unique(pair[1 - changed]).tolist() == [100]


def test_photometric_transforms_see_other_depths_within_their_range():
    augment = augmentation(40, input_type=DEPTH, photometric=BRIGHTER)
    relit, _ = augment(np.full((40, 40, 1), 1000, np.uint16), noise(40, 40), (0, 0, 0))
    assert relit.dtype == np.uint16
    assert np.unique(relit).tolist() == [1800]  # 0.2 of 4000 more
    augment = augmentation(40, input_type=BANDS, photometric=BRIGHTER)
    relit, _ = augment(np.full((40, 40, 7), 0.1, np.float32), noise(40, 40), (0, 0, 0))
    np.testing.assert_allclose(relit, 0.5, atol=1e-6)  # 0.2 of 2 more


def test_photometric_transforms_without_a_photograph_are_refused():
    for types, on in (((COLORS, IDS), "auto"), ((COLORS, RGB), "input")):
        with pytest.raises(UserError, match=r"photometric has brighter.*selects labels.*data/augmentation=none"):
            Augmentation(*types, 32, photometric=BRIGHTER, photometric_on=on)
    with pytest.raises(UserError, match=r"photometric_on is 'photo'; expected auto, input or target"):
        augmentation(photometric=BRIGHTER, photometric_on="photo")


RANDOM = {
    "geometry": {"rotate": A.Rotate(limit=20, p=0.5), "scale": A.RandomScale(scale_limit=(0, 0.3), p=0.5)},
    "photometric": {"color": A.ColorJitter(p=0.8)},
}


def test_the_result_depends_on_the_seed_alone():
    image = noise(48, 48)
    one, other = augmentation(flip=True, **RANDOM), augmentation(flip=True, **RANDOM)
    forwards = {seed: one(image, image, seed) for seed in SEEDS[:40]}
    np.random.seed(1)  # noqa: NPY002  (global state shall not matter)
    backwards = {seed: other(image, image, seed) for seed in reversed(SEEDS[:40])}
    for seed, pair in forwards.items():
        for image, again in zip(pair, backwards[seed], strict=True):
            np.testing.assert_array_equal(image, again)


@pytest.mark.parametrize("options", [{}, RANDOM], ids=["crop", "all"])
@pytest.mark.parametrize("position", range(3))
def test_every_part_of_the_seed_matters(position, options):
    augment = augmentation(100, flip=True, **options)
    crops = set()
    for value in range(20):
        seed = [3, 3, 3]
        seed[position] = value
        crops.add(augment(coordinates(250, 250), coordinates(250, 250), seed)[0].tobytes())
    assert len(crops) > 15


def test_light_differs_from_draw_to_draw():
    augment = augmentation(40, photometric={"light": A.RandomBrightnessContrast(p=1)})
    results = {augment(noise(40, 40), noise(40, 40), seed)[0].tobytes() for seed in SEEDS[:10]}
    assert len(results) == 10


def test_a_pair_made_smaller_than_the_crop_is_reported():
    shrink = {"shrink": A.Resize(20, 30, p=1)}
    with pytest.raises(UserError, match=r"made a pair 30x20 pixels.*crop of 32x32.*raise data\.load_size"):
        augmentation(geometry=shrink)(noise(40, 40), noise(40, 40), (0, 0, 0))


def test_a_transform_that_does_not_suit_the_images_is_reported():
    gray = {"gray": A.ToGray(p=1)}
    with pytest.raises(
        UserError, match=r"(?s)photometric\.gray \(ToGray\) cannot transform.*\(40, 40, 7\).*remove or replace"
    ):
        augmentation(40, input_type=BANDS, photometric=gray)(
            np.zeros((40, 40, 7), np.float32), noise(40, 40), (0, 0, 0)
        )


def test_a_malformed_crop_is_refused_with_its_key():
    with pytest.raises(UserError, match=r"data\.crop_size is \[3\]; expected"):
        augmentation([3])
