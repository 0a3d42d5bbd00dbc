"""Images are found by their names, and what looks like one and is passed over is named."""

import os
import stat
import sys

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.listing import SUFFIXES, find_images, summary


def touch(folder, *names, content=b""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_endings_count_in_any_case(tmp_path, suffix):
    touch(tmp_path, f"a{suffix}", f"b{suffix.upper()}", f"c{suffix.title()}")
    assert [path.name[0] for path in find_images(tmp_path).paths] == ["a", "b", "c"]


def test_images_that_are_not_read_are_named_with_what_to_do(tmp_path):
    touch(tmp_path, "a.jpg", "b.SVG", "c.NEF", "sub/d.jxl")
    assert find_images(tmp_path, recursive=True).left_out == {
        tmp_path / "b.SVG": "SVG, which is not supported: convert it to JPEG, PNG or TIFF",
        tmp_path / "c.NEF": "a camera's raw image, which is not supported: convert it to JPEG, PNG or TIFF",
        tmp_path / "sub/d.jxl": "JXL, which is not supported: convert it to JPEG, PNG or TIFF",
    }


@pytest.mark.skipif(".heic" in SUFFIXES, reason="a plug-in that reads it is installed")
def test_the_message_about_heic_names_the_plug_in_that_reads_it(tmp_path):
    touch(tmp_path, "a.jpg", "b.HEIC")
    assert list(find_images(tmp_path).left_out.values()) == [
        "HEIC, which is not supported: convert it to JPEG, PNG or TIFF, or pip install pillow-heif"
    ]


def test_files_that_are_no_images_are_skipped_silently(tmp_path):
    others = ("notes.txt", "a.json", "a.csv", "Thumbs.db", ".DS_Store", "._a.jpg", ".hidden.heic", "README", "a.mp4")
    touch(tmp_path, "a.jpg", *others, ".cache/b.heic")
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path, recursive=True) == ([tmp_path / "a.jpg"], {})


def test_an_image_without_an_ending_is_named(tmp_path):
    touch(tmp_path, "a.jpg")
    touch(tmp_path, "photo", content=b"\xff\xd8\xff\xe0")
    touch(tmp_path, "BMI", content=b"BMI of all patients")
    assert find_images(tmp_path).left_out == {
        tmp_path / "photo": "an image whose name has no suffix: add one, such as .jpg"
    }


def test_links_to_nothing_are_named(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "b.png").symlink_to("gone.png")
    (tmp_path / "c.png").symlink_to("c.png")
    (tmp_path / "folder").symlink_to(tmp_path / "unmounted")
    (tmp_path / "notes.txt").symlink_to("gone.txt")
    assert find_images(tmp_path).left_out == {
        tmp_path / "b.png": "a link to gone.png, which does not exist",
        tmp_path / "c.png": "a link to c.png, which does not exist",
        tmp_path / "folder": f"a link to {tmp_path / 'unmounted'}, which does not exist",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes there")
def test_what_is_called_like_an_image_but_is_no_file_is_named(tmp_path):
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "b.png")
    assert stat.S_ISFIFO((tmp_path / "b.png").stat().st_mode)
    assert find_images(tmp_path) == ([tmp_path / "a.jpg"], {tmp_path / "b.png": "not a regular file"})


def forbid(monkeypatch, folder):
    """As if the user may not list this folder; the tests may run as root, who may."""
    scandir = os.scandir

    def scan(path="."):
        if os.fspath(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


def test_unreadable_folders_are_named(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "sub/b.jpg")
    forbid(monkeypatch, tmp_path / "sub")
    assert find_images(tmp_path, recursive=True) == (
        [tmp_path / "a.jpg"],
        {tmp_path / "sub": "a folder that cannot be read (Permission denied)"},
    )
    with pytest.raises(UserError, match=r"sub cannot be read \(Permission denied\); expected a readable folder"):
        find_images(tmp_path / "sub", recursive=True)


def test_images_in_sub_folders_are_named_where_these_are_not_looked_into(tmp_path):
    touch(tmp_path, "a.jpg", "sub/b.jpg", "sub/notes.txt", "sub/deep/c.tif", ".thumbs/d.jpg")
    reason = "in a sub-folder, which this layout does not read"
    assert find_images(tmp_path).left_out == {tmp_path / "sub/b.jpg": reason, tmp_path / "sub/deep/c.tif": reason}


def test_a_folder_of_nothing_that_is_read_says_what_is_there(tmp_path):
    touch(tmp_path, "a.svg", "b.svg", "c.svg", "d.svg")
    with pytest.raises(UserError, match=r"holds no image that can be read, but 4 left out: .*a\.svg \(SVG, .*; and 1 "):
        find_images(tmp_path)


def test_few_of_many_that_are_left_out_are_named(tmp_path):
    assert summary({tmp_path / "a": "x", tmp_path / "b": "y"}, most=1) == f"2 left out: {tmp_path}/a (x); and 1 more"
