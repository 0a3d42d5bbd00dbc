"""Names of files for libraries that take only UTF-8."""

import os
from pathlib import Path

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import is_utf8, library_path


def folder_of_bytes(tmp_path: Path) -> Path:
    """A folder whose name is not UTF-8."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names of files are UTF-8 here")
    return folder


def test_names_are_utf8_unless_they_hold_other_bytes():
    assert is_utf8("x.onnx")
    assert is_utf8(Path("caf\u00e9/\u732b.onnx"))
    assert not is_utf8(os.fsdecode(b"caf\xe9"))


def test_a_utf8_name_is_given_as_it_is(tmp_path):
    with library_path(tmp_path / "\u732b.onnx") as name:
        assert name == f"{tmp_path}/\u732b.onnx"


def test_a_file_in_a_folder_of_other_bytes_is_reached_by_a_utf8_name(tmp_path):
    path = folder_of_bytes(tmp_path) / "x.onnx"
    with library_path(path) as name:
        name.encode()
        Path(name).write_text("graph")
    assert path.read_text() == "graph"


def test_a_file_of_another_name_is_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    with pytest.raises(UserError, match="UTF-8; expected one that is: rename the file"), library_path(path):
        pass
