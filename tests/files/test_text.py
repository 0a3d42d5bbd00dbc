"""Text is read in the encodings that programs write, and what is no text is named."""

import os
import sys

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.text import decode_paths, decode_text, read_paths, read_text

TEXT = "straße/été.png\n日本.png\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_with_a_byte_order_mark_is_read_without_it(tmp_path, encoding):
    (tmp_path / "x.txt").write_bytes(f"\ufeff{TEXT}".encode(encoding))
    assert read_text(tmp_path / "x.txt") == TEXT
    assert read_paths(tmp_path / "x.txt") == ["straße/été.png", "日本.png"]


def test_utf_8_needs_no_mark(tmp_path, caplog):
    (tmp_path / "x.txt").write_text(TEXT, "utf-8")
    assert read_text(tmp_path / "x.txt") == TEXT
    assert caplog.messages == []


def test_other_bytes_are_read_as_windows_1252_with_a_warning(caplog):
    assert decode_text("été…".encode("cp1252"), "x.txt") == "été…"
    assert decode_paths("été.png\r\n\r\n b.png".encode("cp1252"), "x.txt") == ["été.png", " b.png"]
    assert ["x.txt is not UTF-8 and was read as Windows-1252" in message for message in caplog.messages] == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux alone")
def test_listed_names_that_are_not_unicode_stay_as_they_are_if_such_files_exist(tmp_path, caplog):
    name = os.fsencode(tmp_path) + b"/\xe9t\xe9.png"
    open(name, "wb").close()
    assert [os.fsencode(path) for path in decode_paths(name + b"\n", "x.txt")] == [name]
    assert caplog.messages == []


@pytest.mark.parametrize("content", [b"a\0b\n", TEXT.encode("utf-16-le"), b"\xff\xfea\0\0\0"])
def test_nul_characters_are_refused(content):
    for read in (decode_text, decode_paths):
        with pytest.raises(UserError, match=r"x\.txt holds NUL characters; expected text in UTF-8.*: save it as UTF-8"):
            read(content, "x.txt")


def test_nul_separated_names_are_recognised():
    with pytest.raises(UserError, match=r"leave -print0 out"):
        decode_paths(b"a.png\0b.png\0", "input=-")


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\x81\x8d\xff"])
def test_damaged_text_is_named(content):
    with pytest.raises(UserError, match=r"x\.txt is not text .*expected UTF-8: save it as UTF-8"):
        decode_text(content, "x.txt")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "nowhere.txt", tmp_path, tmp_path / "a\0b", tmp_path / ("n" * 300)):
        with pytest.raises(UserError, match=r"cannot be read .*; expected a text file: check the path"):
            read_text(path)
