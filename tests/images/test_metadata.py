"""What is carried from an image file to its translation, read back by Pillow and tifffile."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.metadata import ImageMetadata

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GEO_KEYS = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633)
BAND = '<Item name="STATISTICS_MAXIMUM" sample="0">250</Item>'
XML = f'<GDALMetadata>\n  <Item name="AREA">Köln</Item>\n  {BAND}\n</GDALMetadata>\n'.encode()
TAGS: dict[int, tuple[int, Any]] = {
    33550: (12, (0.5, 0.5, 0.0)),
    33922: (12, (0.0, 0.0, 0.0, 500000.25, 5640000.5, 0.0)),
    34264: (12, tuple(float(i) for i in range(16))),
    34735: (3, GEO_KEYS),
    34736: (12, (6378137.0, 298.257223563)),
    34737: (2, b"WGS 84 / UTM zone 33N|"),
    42112: (2, XML),
    42113: (2, b"0"),
}


def pixels(channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 48, channels)).astype(dtype)


def write_geotiff(path: Path, **options: Any) -> Path:
    tags = [(code, dtype, len(value) + (dtype == 2), value, True) for code, (dtype, value) in TAGS.items()]
    settings = {"photometric": "rgb", "extratags": tags, "iccprofile": SRGB, "metadata": None}
    settings |= {"resolution": (300, 150), "resolutionunit": "inch"}
    tifffile.imwrite(path, pixels(), **(settings | options))
    return path


def geo_tags_of(path: Path) -> dict[int, Any]:
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages.first.tags if tag.code in TAGS}


EXPECTED = {code: value for code, (dtype, value) in TAGS.items() if dtype != 2} | {
    34737: "WGS 84 / UTM zone 33N|",
    42112: '<GDALMetadata>\n  <Item name="AREA">Köln</Item>\n</GDALMetadata>',  # without statistics of the input
    42113: "0",
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"tile": (16, 16), "compression": "zlib"}])
def test_a_tiff_file_carries_its_place_on_earth_resolution_and_profile_to_another(tmp_path, order, options):
    metadata = ImageMetadata.read(write_geotiff(tmp_path / "a.tif", byteorder=order, **options))
    write_image(tmp_path / "b.tif", pixels(), metadata.of_translation(None, False, 3, "uint8"))
    assert geo_tags_of(tmp_path / "b.tif") == EXPECTED
    with Image.open(tmp_path / "b.tif") as image:
        assert image.info["dpi"] == (300, 150)
        assert image.info["icc_profile"] == SRGB
        assert image.tag_v2[33922] == TAGS[33922][1]
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), pixels())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".tif"])
def test_resolution_and_profile_are_carried_where_the_format_has_room(tmp_path, source, suffix):
    settings = {"icc_profile": SRGB, "dpi": (300, 150)}
    Image.fromarray(pixels()).save(tmp_path / f"a{source}", **settings)
    metadata = ImageMetadata.read(tmp_path / f"a{source}").of_translation(None, False, 3, "uint8")
    write_image(tmp_path / f"b{suffix}", pixels(), metadata)
    with Image.open(tmp_path / f"b{suffix}") as image:
        found = image.info
        assert np.asarray(image).shape == (32, 48, 3)
    assert found.get("icc_profile") == (None if suffix == ".bmp" else SRGB)
    if suffix != ".webp":
        assert found["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert metadata.lost_in(suffix) == {".bmp": ["a colour profile"], ".webp": ["a resolution"]}.get(suffix, [])


def test_a_png_of_sixteen_bits_and_many_channels_carries_them_too(tmp_path):
    metadata = ImageMetadata(resolution=(72.0, 72.0), icc_profile=SRGB)
    image = pixels(3, "uint16") * 200
    write_image(tmp_path / "a.png", image, metadata)
    with Image.open(tmp_path / "a.png") as file:
        file.load()  # all chunks, with their checksums
        assert file.info["icc_profile"] == SRGB
    assert ImageMetadata.read(tmp_path / "a.png").icc_profile == SRGB


def test_a_lost_place_on_earth_is_reported_where_only_tiff_has_room(tmp_path):
    metadata = ImageMetadata.read(write_geotiff(tmp_path / "a.tif"))
    assert metadata.lost_in(".png") == ["GeoTIFF tags"]
    assert metadata.lost_in(".npy") == ["GeoTIFF tags", "a resolution", "a colour profile"]
    assert metadata.lost_in(".tif") == []


def test_a_profile_is_carried_to_colours_that_it_is_for_alone():
    profile = ImageMetadata(icc_profile=SRGB)
    assert profile.of_translation(None, False, 3, "uint16") == profile
    assert profile.of_translation(None, False, 1, "uint8").icc_profile is None
    assert profile.of_translation(None, True, 3, "uint8").icc_profile is None
    gray = ImageMetadata(icc_profile=SRGB[:16] + b"GRAY" + SRGB[20:])
    assert gray.of_translation(None, False, 1, "uint8") == gray
    assert gray.of_translation(None, False, 3, "uint8").icc_profile is None


def test_a_left_half_keeps_the_place_on_earth_and_a_right_half_does_not(tmp_path):
    metadata = ImageMetadata.read(write_geotiff(tmp_path / "a.tif"))
    assert dict(metadata.of_translation("left", False, 3, "uint8").geo_tags)[33922] == TAGS[33922][1]
    right = metadata.of_translation("right", False, 3, "uint8")
    assert (right.geo_tags, right.resolution) == ((), (300, 150))


@pytest.mark.parametrize(
    ("nodata", "dtype", "is_carried"),
    [
        (b"0", "uint8", True),
        (b"-9999", "uint8", False),
        (b"-9999", "float32", True),
        (b"nan", "float32", True),
        (b"65535", "uint16", True),
        (b"65535", "uint8", False),
        (b"nan", "uint8", False),
        (b"none", "uint8", False),
    ],
)
def test_the_number_for_no_data_is_carried_if_pixels_can_have_it(nodata, dtype, is_carried):
    metadata = ImageMetadata(geo_tags=((42113, nodata),))
    assert bool(metadata.of_translation(None, False, 3, dtype).geo_tags) == is_carried


def test_an_image_that_is_turned_upright_has_its_resolution_turned_and_no_place(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels()).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 150))
    metadata = ImageMetadata.read(tmp_path / "a.jpg")
    assert metadata.resolution == (150, 300)
    upright = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg", upright, metadata)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == upright.shape[1::-1] == (32, 48)
        assert 274 not in image.getexif()
        assert image.info["dpi"] == (150, 300)
    tags = [(code, dtype, len(value) + (dtype == 2), value, True) for code, (dtype, value) in TAGS.items()]
    turned = write_geotiff(tmp_path / "a.tif", extratags=[*tags, (274, 3, 1, 6, True)])
    assert ImageMetadata.read(turned).geo_tags == ()


@pytest.mark.parametrize("text", [b" ", b"<Item ", b'<Item sample="', b'sample="', b'<Item sample="0">', b"<Item>"])
def test_text_that_no_program_writes_takes_no_longer_than_any_other(tmp_path, text):
    xml = b"<Item " + text * (1_000_000 // len(text))
    write_geotiff(tmp_path / "a.tif", extratags=[(42112, 2, len(xml) + 1, xml, True)])
    assert ImageMetadata.read(tmp_path / "a.tif").geo_tags == ((42112, xml.rstrip()),)


def test_invalid_metadata_is_left_out_and_files_that_are_no_images_have_none(tmp_path):
    wrong = [(33550, 3, 3, (1, 2, 3), True), (34735, 12, 1, (1.0,), True), (34675, 3, 2, (1, 2), True)]
    write_geotiff(tmp_path / "a.tif", extratags=wrong, iccprofile=None, resolution=(0, 0))
    assert ImageMetadata.read(tmp_path / "a.tif") == ImageMetadata()
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "c.tif").write_bytes(struct.pack("<2sHI", b"II", 42, 7))
    for name in ("b.png", "c.tif", "missing.png"):
        assert ImageMetadata.read(tmp_path / name) == ImageMetadata()
