"""PBM, PGM and PPM files, in ASCII and binary."""

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import ImageType


@pytest.mark.parametrize(("plain", "white"), [(True, 255), (False, 255), (True, 65535), (True, 9), (False, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_netpbm_files_have_pillows_pixels_also_in_ascii_and_with_another_white(tmp_path, channels, plain, white):
    numbers = np.random.default_rng(0).integers(0, 65535, (5, 6, channels), "uint16", endpoint=True)
    values = (numbers % np.uint32(white + 1)).astype("u2")
    kind = {1: 2, 3: 3}[channels] + 3 * (not plain)
    raster = " ".join(map(str, values.ravel())).encode() if plain else values.astype("u1").tobytes()
    path = tmp_path / "x.pnm"
    path.write_bytes(b"P%d # a comment\n6 # 5\n 5\t%d\n" % (kind, white) + raster + b"\n" * plain)
    deep = white > 255
    found = read_image(path, ImageType(channels=channels, dtype="uint16" if deep else "uint8"))
    expected = values if deep else np.asarray(Image.open(path)).reshape(values.shape)
    np.testing.assert_array_equal(found, expected)


def test_small_numbers_of_a_pgm_are_shades_or_classes(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5 3 1 4\n\0\1\4")
    assert read_image(tmp_path / "x.pgm", ImageType(channels=1)).ravel().tolist() == [0, 64, 255]
    ids = ImageType(kind="ids", channels=1, classes=5)
    assert read_image(tmp_path / "x.pgm", ids).ravel().tolist() == [0, 1, 4]


@pytest.mark.parametrize("content", [b"P1 3 2 0 1 1\n101 # the end", b"P4\n3 2\n\x60\xa0"])
def test_a_pbm_is_black_where_it_has_ones(tmp_path, content):
    (tmp_path / "x.pbm").write_bytes(content)
    expected = np.asarray(Image.open(tmp_path / "x.pbm").convert("L")).ravel().tolist()
    found = read_image(tmp_path / "x.pbm", ImageType(channels=1)).ravel().tolist()
    assert found == expected == [255, 0, 0, 0, 255, 0]


@pytest.mark.parametrize(
    "content",
    [
        b"P6",
        b"P6\n3 2\n",
        b"P5 2 2 255\n123",
        b"P5 2 2 255\n1234and more",
        b"P5 2 2 0\n\0\0\0\0",
        b"P5 2 2 65536\n\0\0\0\0",
        b"P5 0 2 255\n",
        b"P5 -2 2 255\n1234",
        b"P5 2 2 3\n\0\1\2\4",
        b"P2 2 2 255\n1 2 3",
        b"P2 2 2 255\n1 2 3 4 5",
        b"P2 2 2 255\n1 2 3 256",
        b"P2 2 2 255\n1 2 3 -4",
        b"P2 2 2 255\n1 2 3 x",
        b"P2 2 2 255\n1 2 3 99999999999999999999",
        b"P1 2 2\n012 1",
        b"P1 2 2\n01",
        b"P5 2 2 255",
        b"P6 2 2 255#",
    ],
)
def test_malformed_netpbm_files_are_named(tmp_path, content):
    (tmp_path / "x.pnm").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.pnm cannot be read as an image"):
        read_image(tmp_path / "x.pnm", ImageType(channels=1))
