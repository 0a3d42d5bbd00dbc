"""Exported files are verified by the JSON beside them."""

import json
import os

import pytest

from pix2pix_lit.checkpoints.checksums import checksums_of, verify_export
from pix2pix_lit.errors import UserError


@pytest.fixture
def exported(tmp_path):
    """An export of two files, as OpenVINO's are."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"model{suffix}").write_bytes(os.urandom(1000))
    checksums = checksums_of([tmp_path / "model.xml", tmp_path / "model.bin"])
    (tmp_path / "model.xml.json").write_text(json.dumps({"format": "openvino", "sha256": checksums}))
    return tmp_path / "model.xml"


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_intact_files_pass_also_when_all_are_renamed(exported):
    verify_export(exported)
    for name in os.listdir(exported.parent):
        os.rename(exported.parent / name, exported.parent / name.replace("model", "other.v2"))
    verify_export(exported.with_name("other.v2.xml"))
    flip(exported.with_name("other.v2.bin"), 0)
    with pytest.raises(UserError, match="other.v2.bin is damaged"):  # they were compared
        verify_export(exported.with_name("other.v2.xml"))


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_every_flipped_bit_is_noticed_and_its_file_named(exported, name):
    for bit in range(0, 8000, 61):
        flip(exported.with_name(name), bit)
        with pytest.raises(UserError, match=f"{name} is damaged"):
            verify_export(exported)
        flip(exported.with_name(name), bit)
    verify_export(exported)


def test_a_missing_part_is_named(exported):
    exported.with_suffix(".bin").unlink()
    with pytest.raises(UserError, match=r"model.bin cannot be read .* but belongs to model.xml"):
        verify_export(exported)
    os.mkfifo(exported.with_suffix(".bin"))
    with pytest.raises(UserError, match="model.bin cannot be read"):
        verify_export(exported)


def test_without_checksums_nothing_is_compared(exported):
    beside = exported.with_name("model.xml.json")
    flip(exported, 0)
    with pytest.raises(UserError, match="model.xml is damaged"):
        verify_export(exported)
    for text in ('{"format": "openvino"}', "[]", "null"):  # an older export, and the JSON of another program
        beside.write_text(text)
        verify_export(exported)
    beside.unlink()
    verify_export(exported)


@pytest.mark.parametrize("text", ["{", '{"sha256": 3}', '{"sha256": {"/../x": ""}}', "[" * 100_000, "\xff"])
def test_a_damaged_json_is_named(exported, text):
    exported.with_name("model.xml.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="model.xml.json cannot be read"):
        verify_export(exported)
