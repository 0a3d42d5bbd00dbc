"""Pictures: conversions, reading, writing, and files that are no pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images import SUFFIXES, list_images, read_image, to_float, to_uint8, write_image

EVERY_BYTE = torch.arange(256, dtype=torch.uint8)
LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".webp")
KINDS = (".jpg", ".png", ".bmp", ".tif", ".webp")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), 128 + 0 * x], -1).astype(np.uint8)


def test_every_byte_survives_the_way_to_float_and_back():
    assert torch.equal(to_uint8(to_float(EVERY_BYTE)), EVERY_BYTE)


def test_floats_are_the_references_normalisation():
    expected = (np.arange(256) / 255 - 0.5) / 0.5
    assert to_float(EVERY_BYTE).dtype == torch.float32
    np.testing.assert_allclose(to_float(EVERY_BYTE).numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_floats_are_rounded_and_clipped(dtype):
    floats = torch.tensor([-7.0, -1.0, -0.5, 0.0, 0.5, 1.0, 7.0], dtype=dtype)
    assert to_uint8(floats).tolist() == [0, 0, 64, 128, 191, 255, 255]


def test_to_uint8_leaves_its_input_as_it_was():
    floats = torch.linspace(-2, 2, 5)
    to_uint8(floats)
    assert torch.equal(floats, torch.linspace(-2, 2, 5))


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_back_every_pixel(tmp_path, suffix):
    image = noise(13, 22)
    write_image(tmp_path / f"x{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), image)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_keeps_colours_within_a_few_levels(tmp_path, suffix):
    image = gradient(40, 56)
    image[:, 20:36] = (255, 0, 0)  # a hard edge in colour alone smears under chroma subsampling
    write_image(tmp_path / f"x{suffix}", image)
    difference = np.abs(read_image(tmp_path / f"x{suffix}").astype(int) - image)
    assert difference.mean() < 2
    assert difference.max() < 30


def test_a_view_that_is_not_contiguous_is_written_right(tmp_path):
    image = noise(6, 9)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    write_image(tmp_path / "x.png", planes.transpose(1, 2, 0))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), image)


def test_folders_above_a_written_image_are_made(tmp_path):
    write_image(tmp_path / "a/b/x.png", noise(2, 2))


def test_a_written_image_replaces_the_one_before(tmp_path):
    write_image(tmp_path / "x.png", noise(4, 4, seed=1))
    write_image(tmp_path / "x.png", noise(3, 5, seed=2))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), noise(3, 5, seed=2))


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"x\.gif ends in '\.gif'.*\.png"):
        write_image(tmp_path / "x.gif", noise(2, 2))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_image(tmp_path / "x.png", noise(2, 2))

    def save_half(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", save_half)
    with pytest.raises(UserError, match=r"x\.png cannot be written \(disk full\)"):
        write_image(tmp_path / "x.png", noise(3, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), noise(2, 2))


def test_a_write_that_cannot_take_its_name_leaves_nothing(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(UserError, match=r"x\.png cannot be written"):
        write_image(tmp_path / "x.png", noise(3, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_file_where_a_folder_is_to_be_made_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"notes\.txt/x\.png cannot be written"):
        write_image(tmp_path / "notes.txt/x.png", noise(3, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA"])
def test_gray_and_palette_images_become_rgb(tmp_path, mode):
    gray = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    Image.fromarray(gray).convert(mode).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.stack([gray] * 3, -1))


def test_a_palette_is_looked_up(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([1, 0])
    image.save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").tolist() == [[[200, 100, 50], [10, 20, 30]]]


def test_alpha_is_dropped_and_colours_stay(tmp_path):
    image = noise(4, 5)
    alpha = noise(4, 5, seed=1)[..., :1]
    Image.fromarray(np.concatenate([image, alpha], -1)).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), image)


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (2, 3), (255, 0, 0, 0)).save(tmp_path / "x.tif")
    assert np.unique(read_image(tmp_path / "x.tif").reshape(-1, 3), axis=0).tolist() == [[0, 255, 255]]


# What a viewer does to the stored pixels, by the EXIF standard's table of orientations.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_and_their_size_with_them(tmp_path, orientation, suffix):
    image = noise(5, 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(image).save(tmp_path / f"x{suffix}", exif=exif, **options)
    expected = UPRIGHT[orientation](image)
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpegs_orientation_is_respected(tmp_path, orientation):
    image = gradient(24, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "x.jpg", exif=exif, quality=95)
    expected = UPRIGHT[orientation](image)
    np.testing.assert_allclose(read_image(tmp_path / "x.jpg").astype(int), expected, atol=12)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_gray_is_refused(tmp_path, suffix):
    Image.fromarray(np.full((3, 4), 40_000, np.uint16)).save(tmp_path / f"x{suffix}")
    message = rf"x{suffix} is an image of mode I;16\b.*expected 8 bits.*: convert the file$"
    with pytest.raises(UserError, match=message):
        read_image(tmp_path / f"x{suffix}")


def test_sixteen_bit_colour_is_refused(tmp_path):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "x.png"), np.full((3, 4, 3), 40_000, np.uint16))
    with pytest.raises(UserError, match=r"x\.png is an image of mode RGB with more than 8 bits a channel"):
        read_image(tmp_path / "x.png")


def test_other_formats_are_not_decoded_whatever_a_file_is_called(tmp_path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "x.ppm")
    (tmp_path / "x.ppm").rename(tmp_path / "x.png")  # a stand-in for EPS, whose decoder starts another program
    with pytest.raises(UserError, match=r"x\.png cannot be read as an image"):
        read_image(tmp_path / "x.png")


def test_float_images_are_refused(tmp_path):
    Image.fromarray(np.zeros((3, 4), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=r"x\.tif is an image of mode F"):
        read_image(tmp_path / "x.tif")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.png does not exist"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"no image at all\n", bytes(range(256)) * 8, None])
def test_what_is_no_image_is_named(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\{suffix} cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_truncated_image_is_named(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write_image(path, noise(32, 32))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"x\{suffix} cannot be read as an image"):
        read_image(path)


def test_an_image_too_large_to_decode_is_named(tmp_path, monkeypatch):
    write_image(tmp_path / "x.png", noise(32, 32))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match=r"x\.png is too large"):
        read_image(tmp_path / "x.png")


def outcome(path: Path) -> str:
    try:
        image = read_image(path)
    except UserError as error:
        return "a user error that names the file" if str(path) in str(error) else f"a user error: {error}"
    except Exception as error:
        return repr(error)
    return "an image" if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 else "something else"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", KINDS)
def test_damage_anywhere_gives_an_image_or_a_user_error(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # or a damaged header asks for seconds of zeros
    path = tmp_path / f"x{suffix}"
    write_image(path, noise(11, 9))
    intact = path.read_bytes()
    damaged = [intact[:length] for length in range(0, len(intact), max(1, len(intact) // 40))]
    for position in [*range(120), *range(120, len(intact), 7)]:
        for change in (0x01, 0x80, 0xFF):
            flipped = bytearray(intact)
            flipped[position] ^= change
            damaged.append(bytes(flipped))
    results = []
    for content in damaged:
        path.write_bytes(content)
        results.append(outcome(path))
    assert set(results) == {"an image", "a user error that names the file"}


def test_listed_are_images_in_order_and_nothing_hidden(tmp_path):
    for name in ("b.png", "a.JPG", "c.txt", ".hidden.png", "sub/d.webp", ".cache/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["a.JPG", "b.png"]
    names = [path.name for path in list_images(tmp_path, recursive=True)]
    assert names == ["a.JPG", "b.png", "d.webp"]


def test_a_hidden_folder_itself_can_be_listed(tmp_path):
    write_image(tmp_path / ".here/x.png", noise(2, 2))
    assert [path.name for path in list_images(tmp_path / ".here", recursive=True)] == ["x.png"]


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=rf"{tmp_path} holds no image"):
        list_images(tmp_path)
    with pytest.raises(UserError, match=r"notes\.txt is a file; expected a folder"):
        list_images(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="nowhere does not exist; expected a folder"):
        list_images(tmp_path / "nowhere")
