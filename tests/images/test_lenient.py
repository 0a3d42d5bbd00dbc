"""Images as people have them -> images as the network was trained on."""

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoded import Decoded
from pix2pix_lit.images.decoders import decode_pillow
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.lenient import convert
from pix2pix_lit.images.strict import fit

GRAY = ImageType(channels=1)
DEEP = ImageType(channels=1, dtype="uint16")
UNIT = ImageType(channels=1, dtype="float32", range=(0, 1))
CLASSES = ImageType(kind="ids", channels=1, classes=3)


def converted(pixels: np.ndarray, image_type: ImageType, **options) -> tuple[np.ndarray, str | None]:
    decoded, note = convert(Decoded(pixels, **options), image_type)
    return fit(decoded, image_type, "x.png"), note


def full(dtype: str, *values: float) -> np.ndarray:
    """(1, 2, C)"""
    return np.array([[values, values]], dtype)


@pytest.mark.parametrize(
    ("pixels", "alpha", "image_type", "expected", "note"),
    [
        (full("uint8", 1, 2, 3), False, RGB, [1, 2, 3], None),
        (full("uint8", 7), False, RGB, [7, 7, 7], None),
        (full("uint8", 7, 255), True, RGB, [7, 7, 7], None),
        (full("uint8", 0, 0, 0, 0), True, RGB, [255, 255, 255], "composited on white"),
        (full("uint8", 100, 0, 200, 51), True, RGB, [224, 204, 244], "composited on white"),
        (full("uint16", 65535, 257, 128), False, RGB, [255, 1, 0], "scaled from uint16 to uint8"),
        (full("int32", 65535, 257, 128), False, RGB, [255, 1, 0], "scaled from int32 to uint8"),
        (full("float32", 0, 0.5, 1), False, RGB, [0, 128, 255], "scaled from float32 to uint8"),
        (full("float64", 0.25), False, RGB, [64, 64, 64], "scaled from float64 to uint8"),
        (full("uint8", 255, 0, 0), False, GRAY, [76], "converted to gray"),
        (full("uint8", 9, 9, 9), False, GRAY, [9], None),
        (full("uint8", 255), False, DEEP, [65535], "scaled from uint8 to uint16"),
        (full("uint8", 255, 255, 255, 0), True, DEEP, [65535], "composited on white and scaled from uint8 to uint16"),
        (full("uint8", 7), False, UNIT, [7], None),
    ],
)
def test_what_differs_in_depth_colour_or_transparency_becomes_the_same_picture(
    pixels, alpha, image_type, expected, note
):
    image, found = converted(pixels, image_type, alpha=alpha)
    assert image.dtype == image_type.dtype
    np.testing.assert_array_equal(image[0, 0], np.array(expected, image_type.dtype))
    assert found == note


def test_a_palette_is_looked_up_and_its_transparency_laid_on_white():
    palette = np.array([[10, 20, 30, 255], [1, 2, 3, 0]], np.uint8)
    image, note = converted(np.array([[[0], [1]]], np.uint8), RGB, palette=palette, alpha=True)
    assert image.tolist() == [[[10, 20, 30], [255, 255, 255]]]
    assert note == "composited on white"


def test_a_types_own_background_is_used_if_it_has_one():
    image, note = converted(full("uint8", 9, 9, 9, 0), ImageType(background=(1, 2, 3)), alpha=True)
    assert image[0, 0].tolist() == [1, 2, 3]
    assert note is None


@pytest.mark.parametrize(
    ("pixels", "image_type"),
    [
        (full("float32", 0, 300, 1), RGB),
        (full("float32", 0, np.nan, 1), RGB),
        (full("float32", -1, 0, 1), RGB),
        (full("int32", -1, 0, 1), RGB),
        (full("int32", 70000, 0, 1), RGB),
        (full("uint8", 1, 2, 3, 4, 5), RGB),
        (full("uint8", 200), CLASSES),
        (full("uint8", 1, 2, 3), CLASSES),
    ],
)
def test_values_of_unknown_meaning_are_refused(pixels, image_type):
    with pytest.raises(UserError, match="x.png"):
        converted(pixels, image_type)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "F", "PA", "La"])
def test_images_of_pillow_of_every_mode_are_taken_as_what_they_show(mode):
    shades = np.linspace(0, 255, 12).astype(np.uint8).reshape(3, 4)
    if mode == "I;16":
        image = Image.fromarray(shades.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(shades.astype(np.float32) / 255)
    elif mode in ("PA", "La"):
        image = Image.fromarray(shades).convert("LA").convert(mode)
    else:
        image = Image.fromarray(shades).convert("RGB").convert(mode)
    decoded, _ = convert(decode_pillow(image), RGB)
    seen = fit(decoded, RGB, "image").astype(int)
    # Few colours are left of the shades in these two; conversions of colour round.
    expected = np.asarray(image.convert("RGB")) if mode in ("1", "P") else shades[..., None]
    assert np.abs(seen - expected.astype(int)).max() <= 3


def test_images_of_pillow_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(tmp_path / "x.jpg", exif=exif)
    with Image.open(tmp_path / "x.jpg") as image:
        assert decode_pillow(image).pixels.shape == (8, 4, 3)
