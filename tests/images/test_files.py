"""Image files: reading, writing, finding them, and files that are no images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.listing import SUFFIXES, find_images

LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".webp", ".npy")
KINDS = (".jpg", ".png", ".bmp", ".tif", ".webp", ".npy")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), 128 + 0 * x], -1).astype(np.uint8)


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


def test_a_view_that_is_not_contiguous_is_written_correctly(tmp_path):
    image = noise(6, 9)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    write_image(tmp_path / "x.png", planes.transpose(1, 2, 0))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), image)


def test_folders_above_a_written_image_are_made(tmp_path):
    write_image(tmp_path / "a/b/x.png", noise(2, 2))
    assert (tmp_path / "a/b/x.png").is_file()


def test_a_written_image_replaces_the_one_before(tmp_path):
    write_image(tmp_path / "x.png", noise(4, 4, seed=1))
    write_image(tmp_path / "x.png", noise(3, 5, seed=2))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), noise(3, 5, seed=2))


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"x\.gif ends in '\.gif'.*\.png"):
        write_image(tmp_path / "x.gif", noise(2, 2))


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype", "others"),
    [
        (".jpg", 1, "uint16", ".png, .tif, .tiff, .npy"),
        (".bmp", 4, "uint8", ".png, .tif, .tiff, .npy"),
        (".webp", 3, "float32", ".tif, .tiff, .npy"),
        (".png", 5, "uint8", ".tif, .tiff, .npy"),
        (".png", 1, "float32", ".tif, .tiff, .npy"),
        (".npy", 1, "int64", "no file"),
    ],
)
def test_a_suffix_that_cannot_hold_an_image_is_refused(tmp_path, suffix, channels, dtype, others):
    message = rf"x\{suffix} cannot hold {channels} channels of {dtype}; expected one of {others}$"
    with pytest.raises(UserError, match=message):
        write_image(tmp_path / f"x{suffix}", np.zeros((2, 3, channels), dtype))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_a_side_that_a_format_has_no_number_for_is_named(tmp_path, suffix):
    with pytest.raises(UserError, match=rf"x\{suffix} cannot be written .* size that the format supports"):
        write_image(tmp_path / f"x{suffix}", np.zeros((1, 70_000, 1), np.uint8))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_image(tmp_path / "x.png", noise(2, 2))

    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", write_half)
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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpegs_orientation_is_respected(tmp_path, orientation):
    image = gradient(24, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "x.jpg", exif=exif, quality=95)
    expected = UPRIGHT[orientation](image)
    np.testing.assert_allclose(read_image(tmp_path / "x.jpg").astype(int), expected, atol=12)


def test_other_formats_are_not_decoded_whatever_a_file_is_called(tmp_path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "x.pcx")
    (tmp_path / "x.pcx").rename(tmp_path / "x.png")  # a stand-in for EPS, whose decoder starts another program
    with pytest.raises(UserError, match=r"x\.png cannot be read as an image"):
        read_image(tmp_path / "x.png")


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.png does not exist"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"B", b"no image at all\n", bytes(range(256)) * 8, None])
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
    with pytest.raises(
        UserError, match=rf"x\{suffix} cannot be read as an image .*intact file.*open it, save it again"
    ):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_an_image_too_large_to_decode_is_named(tmp_path, monkeypatch, suffix):
    write_image(tmp_path / f"x{suffix}", noise(32, 32))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match=rf"x\{suffix} is too large"):
        read_image(tmp_path / f"x{suffix}")


def test_listed_are_images_in_order_and_nothing_hidden(tmp_path):
    for name in ("b.png", "a.JPG", "c.txt", "c.npy", ".hidden.png", "sub/d.webp", ".cache/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    names = [path.name for path in find_images(tmp_path).paths]
    assert names == ["a.JPG", "b.png", "c.npy"]
    names = [path.name for path in find_images(tmp_path, recursive=True).paths]
    assert names == ["a.JPG", "b.png", "c.npy", "d.webp"]


def test_images_in_linked_folders_are_listed_by_the_name_of_the_link(tmp_path):
    for name in ("data/m.png", "elsewhere/deep/x.png", "elsewhere/.cache/y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for link in ("a", "z", ".hidden"):
        (tmp_path / "data" / link).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "broken").symlink_to(tmp_path / "nowhere")
    listed = find_images(tmp_path / "data", recursive=True).paths
    assert listed == [tmp_path / "data" / name for name in ("a/deep/x.png", "m.png", "z/deep/x.png")]


def test_links_that_lead_back_are_not_followed(tmp_path, monkeypatch):
    for name in ("top/data/sub/x.png", "elsewhere/y.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    links = {
        "top/data/sub/itself.png": "itself.png",
        "top/data/sub/here": ".",
        "top/data/sub/up": "..",
        "top/data/sub/above": "../../../top",  # beyond the folder that is listed
        "top/data/away": "../../elsewhere",
        "elsewhere/back": "../top/data",
        "elsewhere/again": "../elsewhere",
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    monkeypatch.chdir(tmp_path / "top")
    names = [str(path) for path in find_images("data", recursive=True).paths]
    assert names == ["data/away/y.png", "data/sub/x.png"]


def test_a_hidden_folder_itself_can_be_listed(tmp_path):
    write_image(tmp_path / ".here/x.png", noise(2, 2))
    assert [path.name for path in find_images(tmp_path / ".here", recursive=True).paths] == ["x.png"]


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=rf"{tmp_path} holds no image"):
        find_images(tmp_path)
    with pytest.raises(UserError, match=r"notes\.txt is a file; expected a folder"):
        find_images(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="nowhere does not exist; expected a folder"):
        find_images(tmp_path / "nowhere")
