"""What transforms make of images is an image of the same kind, or an error that names the transform."""

import inspect
import re

import albumentations as A
import numpy as np
import pytest
import torch

from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType

pytestmark = pytest.mark.filterwarnings("ignore")  # of transforms, about their own settings

SIDE = 48
GRAY16 = ImageType(channels=1, dtype="uint16", range=[0, 4000])
FLOAT = ImageType(channels=3, dtype="float32", range=[-1000, 2000])
UNIT = ImageType(channels=3, dtype="float32", range=[0, 1])
COLORS = ImageType(kind="colors")
IDS = ImageType(kind="ids", channels=1, classes=40)
TYPES = {"rgb": RGB, "gray16": GRAY16, "float": FLOAT, "unit": UNIT}

ARGUMENTS = {  # of those that cannot do without
    "CenterCrop": {"height": 32, "width": 32},
    "Crop": {"x_max": 32, "y_max": 32},
    "CropAndPad": {"px": 2},
    "CropNonEmptyMaskIfExists": {"height": 32, "width": 32},
    "LongestMaxSize": {"max_size": 60},
    "PadIfNeeded": {"min_height": 60, "min_width": 60},
    "RandomCrop": {"height": 32, "width": 32},
    "RandomResizedCrop": {"size": (32, 32)},
    "RandomSizedCrop": {"min_max_height": (32, 40), "size": (32, 32)},
    "Resize": {"height": 60, "width": 60},
    "SmallestMaxSize": {"max_size": 60},
    "GridElasticDeform": {"num_grid_xy": (4, 4), "magnitude": 3},
}


def all_transforms() -> dict[str, A.BasicTransform]:
    """Those of albumentations that can be had without special arguments."""
    transforms = {}
    for name, kind in inspect.getmembers(A, inspect.isclass):
        if issubclass(kind, A.BasicTransform) and not inspect.isabstract(kind):
            try:
                transforms[name] = kind(p=1, **ARGUMENTS.get(name, {}))
            except (ValueError, NotImplementedError):
                continue
    return transforms


ALL = all_transforms()


def image_of(image_type: ImageType, seed: int = 0) -> np.ndarray:
    """A smooth (SIDE, SIDE, planes) within the limits of its type."""
    dice = np.random.default_rng(seed)
    low, high = (0, image_type.classes - 1) if image_type.classes else image_type.limits
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [0.5 + 0.5 * np.sin(x * dice.uniform(2, 9) + y * dice.uniform(2, 9)) for _ in range(image_type.planes)]
    return (np.stack(waves, -1) * (high - low) + low).astype(image_type.stored_dtype)


def augmentation(image_type: ImageType, **options) -> Augmentation:
    return Augmentation(image_type, image_type, 16, load_size=SIDE, **options)


def test_nearly_all_of_albumentations_is_looked_at():
    assert len(ALL) > 95


@pytest.mark.slow
@pytest.mark.parametrize("group", ["geometry", "photometric"])
@pytest.mark.parametrize("image_type", TYPES.values(), ids=TYPES)
def test_every_transform_gives_sane_images_or_a_clear_error(group, image_type):
    refused = {}
    for name, transform in ALL.items():
        input, target = image_of(image_type, 0), image_of(image_type, 1)
        low, high = image_type.limits
        try:
            pair = augmentation(image_type, **{group: {"it": transform}})(input, target, (0, 0, 0))
        except UserError as error:
            refused[name] = str(error)
            continue
        for image, given in zip(pair, (input, target), strict=True):
            assert image.shape == (16, 16, image_type.planes), name
            assert image.dtype == given.dtype, name
            assert low - 0.3 * (high - low) <= image.min() <= image.max() <= high + 0.3 * (high - low), name  # cubic
    for name, message in refused.items():
        assert message.startswith(f"data.augmentation.{group}.it ({name})")
        assert "; expected " in message
    assert {"ToTensorV2", "Normalize", "FromFloat", "BBoxSafeRandomCrop", "Mosaic"} <= refused.keys()
    geometry = {
        "Rotate",
        "Affine",
        "ElasticTransform",
        "RandomScale",
        "RandomCrop",
        "D4",
        "CoarseDropout",
        "Perspective",
    }
    light = {"RandomBrightnessContrast", "GaussianBlur", "RandomGamma", "AutoContrast", "Sharpen", "ImageCompression"}
    assert not {"geometry": geometry, "photometric": light}[group] & refused.keys()
    assert len(refused) < len(ALL) / 2 or (group == "geometry" and image_type is not RGB)


@pytest.mark.parametrize("group", ["geometry", "photometric"])
@pytest.mark.parametrize(
    ("transform", "image_type", "found"),
    [
        (A.Normalize(), RGB, "turns uint8 into float32"),
        (A.Normalize(p=0.01), RGB, "turns uint8 into float32"),
        (A.ToFloat(), RGB, "turns uint8 into float32"),
        (A.FromFloat(dtype="uint8"), UNIT, "turns float32 into uint8"),
        (A.ToTensorV2(), RGB, "makes a Tensor of an image"),
        (A.ToTensorV2(), GRAY16, "makes a Tensor of an image"),
        (A.OneOf([A.HorizontalFlip(p=1), A.Normalize(p=1)], p=0.1), RGB, "turns uint8 into float32"),
        (A.Sequential([A.HorizontalFlip(p=1), A.ToTensorV2()]), RGB, "makes a Tensor of an image"),
    ],
)
def test_a_transform_that_scales_or_makes_tensors_is_named_with_what_to_do(group, transform, image_type, found):
    with pytest.raises(UserError, match="leave it out") as caught:
        augmentation(image_type, **{group: {"fine": A.NoOp(p=1), "last": transform}})
    message = str(caught.value)
    assert f"data.augmentation.{group}.last (" in message
    assert "conversion to tensors are done later, by the model" in message
    assert found in message


@pytest.mark.parametrize("transform", [A.Normalize(), A.Normalize(mean=0, std=1)], ids=["imagenet", "255"])
def test_scaling_of_what_is_scaled_already_is_refused(transform):
    for image_type in (FLOAT, GRAY16, UNIT):
        with pytest.raises(UserError, match=r"photometric\.scale \(.*leave it out, since scaling"):
            augmentation(image_type, photometric={"scale": transform})


def test_labels_as_numbers_are_no_tensors_either():
    with pytest.raises(UserError, match=r"geometry\.tensor \(ToTensorV2\) makes a Tensor"):
        augmentation(IDS, geometry={"tensor": A.ToTensorV2()})


def test_other_channels_are_refused():
    with pytest.raises(UserError, match=r"gray \(ToGray\) turns 3 channels into 1; expected as many as before"):
        augmentation(RGB, photometric={"gray": A.ToGray(num_output_channels=1, p=0.1)})
    with pytest.raises(UserError, match=r"rgb \(ToRGB\) turns 1 channels into 3"):
        augmentation(GRAY16, geometry={"rgb": A.ToRGB()})


def test_what_cuts_pixels_is_no_light():
    with pytest.raises(
        UserError, match=r"crop \(RandomCrop\) returns images of sizes 32x32 and 48x48.*augmentation\.geometry"
    ):
        augmentation(RGB, photometric={"crop": A.RandomCrop(32, 32)})


def test_values_of_other_depths_are_changed_by_photometric_transforms_alone():
    blur = {"blur": A.GaussianBlur()}
    with pytest.raises(
        UserError, match=r"blur \(GaussianBlur\) changes values.*put it into data\.augmentation\.photom"
    ):
        augmentation(FLOAT, geometry=blur)
    augmentation(FLOAT, photometric=blur)
    Augmentation(RGB, IDS, 16, geometry=blur)


def test_colours_of_labels_are_not_changed_when_they_are_blended():
    light = {"light": A.RandomBrightnessContrast()}
    Augmentation(RGB, COLORS, 16, geometry=light)
    with pytest.raises(UserError, match=r"light \(RandomBrightnessContrast\) changes values.* of the target"):
        Augmentation(RGB, COLORS, 16, geometry=light, blend_labels=True)


class Moody(A.ImageOnlyTransform):
    """Gives something else than an image once in a while."""

    def apply(self, img, is_bad=False, **_):
        return img.astype(np.float32) if is_bad else img

    def get_params(self):
        return {"is_bad": self.py_random.random() < 0.1}


class Failing(A.ImageOnlyTransform):
    def apply(self, img, **_):
        return img[0][0][0][0][0]


def test_results_of_every_draw_are_checked():
    augment = augmentation(RGB, photometric={"fine": A.NoOp(), "moody": Moody(p=1)})
    image = image_of(RGB)

    def draw_many():
        return [augment(image, image, (0, 0, draw)) for draw in range(100)]

    with pytest.raises(UserError, match="one of fine, moody turns uint8 into float32"):
        draw_many()


def test_any_error_of_a_transform_is_told_without_a_trace():
    with pytest.raises(UserError, match=r"it \(Failing\) cannot transform these images.*IndexError"):
        augmentation(RGB, photometric={"it": Failing(p=0.001)})


def test_a_crop_that_fits_the_resized_pair_only_is_fine():
    crop = {"crop": A.RandomCrop(40, 40, p=1)}
    image = image_of(RGB)
    input, target = augmentation(RGB, geometry=crop)(image, image, (0, 0, 0))
    np.testing.assert_array_equal(input, target)
    grown = {"grow": A.Resize(60, 60, p=1), **{"crop": A.RandomCrop(55, 55, p=1)}}
    augmentation(RGB, geometry=grown)
    with pytest.raises(UserError, match=r"crop \(RandomCrop\) cannot transform these images"):
        augmentation(RGB, geometry={"crop": A.RandomCrop(50, 50, p=0.1)})


@pytest.mark.parametrize("transform", [{"limit": 10}, torch.nn.Identity()])
def test_what_is_no_transform_is_refused(transform):
    with pytest.raises(UserError, match=re.escape("expected a transform of albumentations")):
        augmentation(RGB, geometry={"it": transform})
