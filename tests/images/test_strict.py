"""What becomes of a file that is not quite what the image type says: fitted where nothing is lost, else refused."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import ID_VALUES

GRAY = ImageType(channels=1)
OF_TYPE = re.escape("of this image type (data.source.a or data.source.b)")
FLOATS = ImageType(channels=1, dtype="float32", range=(0, 1))


def noise(height: int, width: int, channels: int, seed: int = 0, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype)


def ids(classes: int, **options) -> ImageType:
    return ImageType(kind="ids", channels=1, classes=classes, **options)


def refused(path: Path, image_type: ImageType, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_image(path, image_type)
    assert str(caught.value).startswith(f"{path} ")


# Channels


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.npy", "x.jpg"])
def test_gray_files_become_rgb(tmp_path, name):
    write_image(tmp_path / name, np.full((4, 5, 1), 77, np.uint8))
    assert read_image(tmp_path / name).tolist() == [[[77, 77, 77]] * 5] * 4


def test_an_array_of_two_dimensions_is_one_channel(tmp_path):
    np.save(tmp_path / "x.npy", noise(4, 5, 1)[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy", GRAY), noise(4, 5, 1))


def test_colour_files_whose_channels_are_equal_are_gray(tmp_path):
    write_image(tmp_path / "x.png", noise(4, 5, 1).repeat(3, -1))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", GRAY), noise(4, 5, 1))


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_colour_files_are_no_gray(tmp_path, channel):
    image = noise(4, 5, 1).repeat(3, -1)
    image[3, 4, channel] ^= 1
    write_image(tmp_path / "x.png", image)
    refused(tmp_path / "x.png", GRAY, rf"has 3 channels; expected one channel, or equal ones: set channels=3 {OF_TYPE}")


@pytest.mark.parametrize(("found", "wanted"), [(3, 4), (5, 3), (3, 5), (1, 2), (4, 3)])
def test_other_numbers_of_channels_are_refused(tmp_path, found, wanted):
    np.save(tmp_path / "x.npy", noise(6, 7, found))
    message = rf"has {found} channels?; expected {wanted}: set channels={found} {OF_TYPE}, or convert the file$"
    refused(tmp_path / "x.npy", ImageType(channels=wanted), message)


def test_channels_that_come_first_are_named(tmp_path):
    np.save(tmp_path / "x.npy", np.moveaxis(noise(6, 7, 3), -1, 0))
    message = r"has 7 channels; .*store arrays as \(height, width, channels\), not as \(3, 6, 7\)"
    refused(tmp_path / "x.npy", RGB, message)


def save_pages(path: Path, *pages: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, metadata=None, photometric="rgb" if page.ndim == 3 else "minisblack")


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("image_type", [RGB, GRAY, ImageType(kind="colors"), ids(256)])
def test_several_pages_are_no_single_picture(tmp_path, image_type, count):
    save_pages(tmp_path / "x.tif", *np.moveaxis(noise(4, 5, count), -1, 0))
    setting = f", or set channels={count} {OF_TYPE} if every page is a channel" * (image_type.kind == "continuous")
    message = f"holds {count} pages; expected a single image: save the wanted page as a file of its own{setting}$"
    refused(tmp_path / "x.tif", image_type, message)


@pytest.mark.parametrize("second", [noise(4, 6, 1)[..., 0], noise(4, 5, 1, dtype="uint16")[..., 0], noise(4, 5, 3)])
def test_pages_that_are_not_alike_are_refused(tmp_path, second):
    save_pages(tmp_path / "x.tif", noise(4, 5, 1)[..., 0], second)
    refused(tmp_path / "x.tif", ImageType(channels=2), "holds 2 pages of 5x4x1, .*expected one page, or one a channel")


# Transparency


def test_a_fourth_band_is_no_alpha_unless_the_file_says_so(tmp_path):
    image = noise(4, 5, 4)
    image[..., 3] = 255
    tifffile.imwrite(tmp_path / "x.tif", image, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", ImageType(channels=4)), image)
    refused(tmp_path / "x.tif", RGB, f"has 4 channels; expected 3: set channels=4 {OF_TYPE}")


@pytest.mark.parametrize(("name", "channels"), [("x.png", 2), ("x.png", 4), ("x.tif", 2), ("x.tif", 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opaque_alpha_is_dropped(tmp_path, name, channels, dtype):
    image = noise(4, 5, channels, dtype=dtype)
    image[..., -1] = np.iinfo(dtype).max
    write_image(tmp_path / name, image)
    expected = np.broadcast_to(image[..., :-1], (4, 5, 3))
    np.testing.assert_array_equal(read_image(tmp_path / name, ImageType(dtype=dtype)), expected)


def test_transparent_pixels_are_refused_where_no_background_is_set(tmp_path):
    image = noise(4, 5, 4)
    image[..., 3] = 255
    image[0, :2, 3] = 0, 254
    write_image(tmp_path / "x.png", image)
    message = rf"has 2 transparent pixels; .* example background=\[255,255,255\] {OF_TYPE}"
    refused(tmp_path / "x.png", RGB, message)
    write_image(tmp_path / "x.png", noise(4, 5, 2))
    refused(tmp_path / "x.png", GRAY, rf"background=\[255\] {OF_TYPE}, or flatten the file")


def test_transparent_pixels_are_laid_on_the_background_as_pillow_lays_them(tmp_path):
    image = noise(40, 50, 4)
    write_image(tmp_path / "x.png", image)
    found = read_image(tmp_path / "x.png", ImageType(background=[250, 100, 0]))
    backdrop = Image.new("RGBA", (50, 40), (250, 100, 0, 255))
    expected = np.asarray(Image.alpha_composite(backdrop, Image.fromarray(image)))[..., :3]
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), expected, atol=1)
    exact = image[..., :3] * (image[..., 3:] / 255) + np.array([250, 100, 0]) * (1 - image[..., 3:] / 255)
    assert np.abs(found - exact).max() <= 0.5 + 1e-9


def test_sixteen_bit_and_float_pixels_are_laid_on_the_background(tmp_path):
    image = np.array([[[60_000, 0], [60_000, 65_535], [60_000, 32_768]]], np.uint16)
    write_image(tmp_path / "x.png", image)
    found = read_image(tmp_path / "x.png", ImageType(channels=1, dtype="uint16", background=[20_000]))
    assert found.ravel().tolist() == [20_000, 60_000, 40_000]
    write_image(tmp_path / "x.tif", np.array([[[4, 0], [4, 1], [4, 0.5]]], np.float32))
    found = read_image(tmp_path / "x.tif", ImageType(channels=1, dtype="float32", range=(0, 9), background=[1]))
    assert found.ravel().tolist() == [1, 4, 2.5]


def test_labels_are_not_blended_with_the_background(tmp_path):
    write_image(tmp_path / "x.png", np.array([[[9, 8, 7, a] for a in (0, 127, 128, 255)]], np.uint8))
    found = read_image(tmp_path / "x.png", ImageType(kind="colors", background=[1, 2, 3]))
    assert found.tolist() == [[[1, 2, 3], [1, 2, 3], [9, 8, 7], [9, 8, 7]]]


def test_alpha_is_kept_where_it_is_wanted(tmp_path):
    write_image(tmp_path / "x.png", noise(4, 5, 4))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", ImageType(channels=4)), noise(4, 5, 4))


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_as_alpha(tmp_path, mode):
    pixels = np.array([[0, 1, 2]], np.uint8)
    image = Image.frombytes("P", (3, 1), pixels.tobytes())
    image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160])
    image.convert(mode).save(tmp_path / "x.png", transparency={"P": 1, "L": 80, "RGB": (80, 80, 80)}[mode])
    refused(tmp_path / "x.png", RGB, "has 1 transparent pixel")
    found = read_image(tmp_path / "x.png", ImageType(channels=1, background=[255]))
    assert found.ravel().tolist() == [0, 255, 160]


def test_a_palette_may_be_half_transparent_and_its_indices_never_are(tmp_path):
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160])
    image.save(tmp_path / "x.png", transparency=bytes([255, 255, 51]))
    assert read_image(tmp_path / "x.png", ImageType(channels=4))[0, 2].tolist() == [160, 160, 160, 51]
    assert read_image(tmp_path / "x.png", ids(3)).ravel().tolist() == [0, 1, 2]


# Depth


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.npy"])
def test_sixteen_bits_are_not_squeezed_into_eight(tmp_path, name):
    write_image(tmp_path / name, noise(3, 4, 3, dtype="uint16"))
    message = rf"holds 16-bit integers \(uint16\); expected uint8: set dtype=uint16 {OF_TYPE}, or convert the file"
    refused(tmp_path / name, RGB, message)
    write_image(tmp_path / name, noise(3, 4, 1, dtype="uint16"))
    refused(tmp_path / name, RGB, f"set channels=1 and dtype=uint16 {OF_TYPE}")


def test_eight_bits_are_not_taken_for_sixteen(tmp_path):
    write_image(tmp_path / "x.png", noise(3, 4, 3))
    message = rf"holds 8-bit integers .*expected uint16: set dtype=uint8 {OF_TYPE}"
    refused(tmp_path / "x.png", ImageType(dtype="uint16"), message)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("floats", [np.float16, np.float32, np.float64])
def test_floats_are_not_rounded(tmp_path, dtype, floats):
    np.save(tmp_path / "x.npy", np.zeros((3, 4), floats))
    message = rf"bit floats .*expected {dtype}: set dtype=float32 and range=\[low,high\] {OF_TYPE}"
    refused(tmp_path / "x.npy", ImageType(channels=1, dtype=dtype), message)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64", "float16", "float64"])
def test_float_types_take_values_of_any_depth_as_they_are(tmp_path, dtype):
    values = np.array([[0, 3, 100]]).astype(dtype)
    np.save(tmp_path / "x.npy", values)
    found = read_image(tmp_path / "x.npy", FLOATS)
    assert found.dtype == np.float32
    assert found.ravel().tolist() == [0, 3, 100]


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1])
def test_numbers_that_floats_would_round_are_refused(tmp_path, value):
    np.save(tmp_path / "x.npy", np.array([[value]], np.int32))
    refused(tmp_path / "x.npy", FLOATS, f"holds integers from {value} to {value}; expected integers up to 16777216")
    nearest = value - np.sign(value)
    np.save(tmp_path / "x.npy", np.array([[nearest]], np.int32))
    assert read_image(tmp_path / "x.npy", FLOATS).item() == nearest


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:overflow")
def test_values_that_are_no_numbers_are_refused(tmp_path, value, dtype):
    np.save(tmp_path / "x.npy", np.array([[0, value, 1]]).astype(dtype))
    refused(tmp_path / "x.npy", FLOATS, "holds 1 infinite or NaN value; expected finite values")


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "int64"])
def test_sixteen_bit_types_take_wider_integers_within_their_limits(tmp_path, dtype):
    image_type = ImageType(channels=1, dtype="uint16")
    values = np.array([[0, 1, min(65_535, np.iinfo(dtype).max)]], dtype)
    for name, save in (("x.npy", np.save), ("x.tif", tifffile.imwrite)):
        save(tmp_path / name, values)
        found = read_image(tmp_path / name, image_type)
        assert found.dtype == np.uint16
        assert found.ravel().tolist() == values.ravel().tolist()


@pytest.mark.parametrize("value", [-1, 65_536])
def test_sixteen_bit_types_refuse_integers_beyond_their_limits(tmp_path, value):
    np.save(tmp_path / "x.npy", np.array([[7, value]], np.int32))
    low, high = sorted((7, value))
    message = f"holds numbers of type int32 from {low} to {high}; expected integers from 0 to 65535"
    refused(tmp_path / "x.npy", ImageType(channels=1, dtype="uint16"), message)


def test_truth_values_are_black_and_white(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[True, False]]))
    assert read_image(tmp_path / "x.npy", GRAY).ravel().tolist() == [255, 0]


# Class numbers


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64"])
@pytest.mark.parametrize("stored", ["uint8", "uint16"])
def test_numbers_of_any_depth_are_classes(tmp_path, dtype, stored):
    np.save(tmp_path / "x.npy", np.array([[0, 4, 2]], dtype))
    found = read_image(tmp_path / "x.npy", ids(5, dtype=stored))
    assert found.dtype == stored
    assert found.tolist() == [[[0], [4], [2]]]


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "I;16"])
def test_gray_files_of_any_kind_are_classes(tmp_path, mode):
    numbers = Image.fromarray(np.array([[0, 4, 2]], np.uint16 if mode == "I;16" else np.uint8))
    (numbers if mode == "I;16" else numbers.convert(mode)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", ids(5)).ravel().tolist() == [0, 4, 2]


def test_truth_values_are_two_classes(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[True, False]]))
    assert read_image(tmp_path / "x.npy", ids(2)).ravel().tolist() == [1, 0]


def test_colours_are_no_class_numbers(tmp_path):
    write_image(tmp_path / "x.png", noise(3, 4, 3))
    refused(tmp_path / "x.png", ids(256), f"has 3 channels; .*set kind=colors {OF_TYPE}")


def test_floats_are_no_class_numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4), np.float32))
    refused(tmp_path / "x.npy", ids(5), "holds float32 numbers; expected integers that stand for classes")


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([0, 5, 5, 4], "holds the value 5 in 2 pixels; expected 0 to 4"),
        ([0, 255, 5, 4], "holds the value 5 in 1 pixel and 1 other illegal value; expected 0 to 4"),
        ([7, -1, 70_000, 4], "holds the value -1 in 1 pixel and 2 other illegal values; expected 0 to 4"),
    ],
)
def test_class_numbers_out_of_range_are_named(tmp_path, numbers, found):
    np.save(tmp_path / "x.npy", np.array([numbers], np.int32))
    refused(tmp_path / "x.npy", ids(5), rf"{found}: correct the file, or set classes and values {OF_TYPE}")


def test_listed_values_stand_for_the_class_of_their_place(tmp_path):
    write_image(tmp_path / "x.png", np.array([[[255], [0], [7]]], np.uint8))
    assert read_image(tmp_path / "x.png", ids(3, values=[7, 255, 0])).ravel().tolist() == [1, 2, 0]
    np.save(tmp_path / "x.npy", np.array([[40_000, 3]], np.int64))
    assert read_image(tmp_path / "x.npy", ids(2, values=[3, 40_000])).ravel().tolist() == [1, 0]


@pytest.mark.parametrize("value", [8, 254, 256, 70_000, -7])
def test_values_that_are_not_listed_are_named(tmp_path, value):
    np.save(tmp_path / "x.npy", np.array([[7, value, 0]], np.int32))
    message = rf"holds the value {value} in 1 pixel; expected one of 0, 7, 255: "
    refused(tmp_path / "x.npy", ids(3, values=[7, 255, 0]), message)


@pytest.mark.parametrize("name", ID_VALUES)
def test_named_values_stand_for_the_classes_of_their_table(tmp_path, name):
    table = ID_VALUES[name]
    values = [value for value in table if value >= 0]
    np.save(tmp_path / "x.npy", np.array([values], np.uint8))
    image_type = ids(max(table.values()) + 1, values=name)
    assert read_image(tmp_path / "x.npy", image_type).ravel().tolist() == [table[value] for value in values]
    unknown = next(value for value in range(256) if value not in table)
    np.save(tmp_path / "x.npy", np.array([[0, unknown]], np.uint8))
    refused(tmp_path / "x.npy", image_type, f"holds the value {unknown} in 1 pixel; expected one of 0, 1, 2, ")


# Instances


@pytest.mark.parametrize("name", ["x.npy", "x.tif"])
def test_class_numbers_come_with_instances(tmp_path, name):
    image = np.array([[[7, 0], [255, 26_003], [7, 65_535]]], np.uint16)
    if name == "x.npy":
        np.save(tmp_path / name, image.astype(np.int32))
    else:
        save_pages(tmp_path / name, *np.moveaxis(image, -1, 0))
    found = read_image(tmp_path / name, ids(2, values=[7, 255], instance_edges=True))
    assert found.dtype == np.uint16
    assert found.tolist() == [[[0, 0], [1, 26_003], [0, 65_535]]]


def test_colours_come_with_instances(tmp_path):
    image = np.array([[[7, 8, 9, 26_003], [255, 0, 1, 5]]], np.uint16)
    save_pages(tmp_path / "x.tif", *np.moveaxis(image, -1, 0))
    image_type = ImageType(kind="colors", instance_edges=True)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", image_type), image)
    np.save(tmp_path / "x.npy", image + np.uint16(250))
    refused(tmp_path / "x.npy", image_type, "holds colours up to 505; expected 0 to 255")


def test_files_without_instances_are_refused_where_boundaries_are_wanted(tmp_path):
    write_image(tmp_path / "x.png", noise(3, 4, 1))
    message = rf"has 1 channel; expected 2, since instance_edges=true: .*set instance_edges=false {OF_TYPE}"
    refused(tmp_path / "x.png", ids(256, instance_edges=True), message)
    write_image(tmp_path / "x.png", noise(3, 4, 4))  # alpha is no instance number
    refused(tmp_path / "x.png", ImageType(kind="colors", instance_edges=True), "has 4 channels, the last of them alpha")


def test_illegal_values_are_named_beside_instances_too(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[[5, 1], [9, 1]]], np.uint16))
    refused(tmp_path / "x.npy", ids(6, instance_edges=True), "holds the value 9 in 1 pixel; expected 0 to 5")
    np.save(tmp_path / "x.npy", np.array([[[5, -1], [2, 1]]], np.int32))
    refused(tmp_path / "x.npy", ids(6, instance_edges=True), "holds numbers of type int32 from -1 to 5")


def test_cityscapes_instance_ids_are_labels_and_instances_in_one_file(tmp_path):
    kind = ImageType(kind="ids", channels=1, classes=35, values="cityscapes_label_ids")
    instances = np.array([[7, 26001, 26002, 33_005]], np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", instances)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", kind)[..., 0], [[7, 26, 26, 33]])
    both = read_image(tmp_path / "x.tif", replace(kind, instance_edges=True))
    np.testing.assert_array_equal(both, np.stack([[[7, 26, 26, 33]], instances], -1))
    assert both.dtype == np.uint16


def test_eight_bit_label_ids_are_not_taken_for_instances(tmp_path):
    kind = ImageType(kind="ids", channels=1, classes=35, values="cityscapes_label_ids", instance_edges=True)
    Image.fromarray(np.array([[7, 26]], np.uint8)).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", kind, "has 1 channel; expected 2, since instance_edges=true")


def test_gray_files_are_no_colours_of_classes(tmp_path):
    Image.fromarray(np.array([[7, 26]], np.uint8)).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", ImageType(kind="colors"), "has 1 channel; expected 3: .* set kind=ids and classes")
