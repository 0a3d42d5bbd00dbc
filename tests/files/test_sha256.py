"""Checksums of files."""

import hashlib

import pytest

from pix2pix_lit.files.sha256 import sha256_of


def test_it_is_that_of_the_content_and_there_is_none_of_a_folder(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path)
