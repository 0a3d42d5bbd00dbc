"""Images unlike those that a network was trained for, and images like them in any form people have them."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.inference.input_check import InputCheck

LABELS = ImageType(kind="colors", palette="cityscapes")
PAIRS = [StreetsSource(size=128, val_length=12, split="val")[i] for i in range(12)]
PHOTOS = [pair.a for pair in PAIRS]
MAPS = [pair.b for pair in PAIRS]
ALIGNED = {"data": {"source": "AlignedSource"}}
OFF = "have hardly any colours of this model's labels, like photos: it translates labels"
REVERSE = "look like the labels that this model generates: it translates photos"


def remarks(check: InputCheck, images: list[np.ndarray]) -> set[str | None]:
    return {check(image) for image in images}


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def beside(left: list[np.ndarray], right: list[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate(halves, 1) for halves in zip(left, right, strict=True)]


@pytest.mark.parametrize("half", [None, "left", "right"])
def test_labels_pass_as_png_as_jpeg_scaled_blended_and_of_one_colour(half):
    check = InputCheck(LABELS, RGB, ALIGNED, half)
    blended = [cv2.resize(labels, (64, 64), interpolation=cv2.INTER_AREA) for labels in MAPS]
    wide = beside(MAPS[:6], MAPS[6:])
    jpegs = [as_jpeg(labels, quality) for labels in MAPS for quality in (10, 30, 90)]
    flat = [np.full((9, 30, 3), color, np.uint8) for color in ((0, 0, 0), (128, 64, 128))]
    assert remarks(check, MAPS + blended + wide + jpegs + flat) == {None}


def test_photos_pass_in_any_form_where_photos_are_translated():
    dark = [photo // 8 for photo in PHOTOS]
    wide = beside(PHOTOS[:6], PHOTOS[6:])
    small = [photo[:7, :9] for photo in PHOTOS]
    black = [np.zeros((4, 8, 3), np.uint8)]
    for target, training in ((LABELS, {}), (RGB, ALIGNED), (LABELS, ALIGNED), (RGB, {"data": None})):
        check = InputCheck(RGB, target, training, None)
        assert remarks(check, PHOTOS + dark + wide + small + black) == {None}


def test_photos_given_as_labels_are_reported_with_the_half_that_may_help():
    assert remarks(InputCheck(LABELS, RGB, {}, None), PHOTOS) == {OFF}
    assert remarks(InputCheck(LABELS, RGB, {}, "left"), PHOTOS) == {f"{OFF}, which half=right may be"}


def test_labels_given_as_photos_are_reported_if_the_model_generates_such_labels():
    assert remarks(InputCheck(RGB, LABELS, {}, None), MAPS) == {REVERSE}
    assert remarks(InputCheck(RGB, LABELS, {}, "right"), MAPS) == {f"{REVERSE}, which half=left may be"}
    assert remarks(InputCheck(RGB, RGB, {}, None), MAPS) == {None}  # nobody knows what those looked like


def test_files_of_two_halves_are_reported_with_the_half_that_is_the_input():
    text = "look like a photo and its labels side by side: half={} translates the right one"
    for files, labels, photos in ((beside(PHOTOS, MAPS), "right", "left"), (beside(MAPS, PHOTOS), "left", "right")):
        jpegs = [as_jpeg(file, 85) for file in files]
        assert remarks(InputCheck(LABELS, RGB, {}, None), files + jpegs) == {text.format(labels)}
        assert remarks(InputCheck(RGB, LABELS, {}, None), files + jpegs) == {text.format(photos)}


def test_files_of_two_photos_are_recognised_by_their_edges_if_training_was_on_such_files():
    negatives = [255 - photo for photo in PHOTOS]
    files = beside(PHOTOS, negatives)
    text = "look like two images side by side: half=left or half=right translates one of them"
    assert remarks(InputCheck(RGB, RGB, ALIGNED, None), files) == {text}
    assert remarks(InputCheck(RGB, RGB, {}, None), files) == {None}
    assert remarks(InputCheck(RGB, RGB, ALIGNED, "left"), PHOTOS) == {None}


@pytest.mark.parametrize(
    "image_type",
    [
        ImageType(kind="ids", channels=1, classes=5),
        ImageType(channels=1),
        ImageType(channels=7),
        ImageType(dtype="uint16"),
        ImageType(kind="colors"),
        ImageType(kind="colors", instance_edges=True),
    ],
)
def test_inputs_without_known_properties_cause_no_warning(image_type):
    image = np.random.default_rng(0).integers(0, 5, (32, 64, image_type.planes)).astype(image_type.dtype)
    assert InputCheck(image_type, LABELS, ALIGNED, None)(image) is None
