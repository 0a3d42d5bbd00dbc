"""JSON that any program reads, and what is made of JSON that anybody wrote."""

import json
from dataclasses import dataclass, field

import pytest

from pix2pix_lit.files.json import as_json, known_fields, read_json


@dataclass
class Kind:
    name: str
    count: int = 0
    share: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def test_names_of_any_bytes_become_valid_utf_8():
    text = as_json({"a\udce9": ["\x1b[2J", "ü👩"]})
    assert json.loads(text.encode()) == {"a\\xe9": ["\x1b[2J", "ü👩"]}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"a": ' * 100_000, b"nonsense", b'"\xe9"']
)
def test_a_file_that_is_not_json_reads_as_none(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") is None
    assert read_json(tmp_path / "missing.json") is None
    assert read_json(tmp_path) is None


@pytest.mark.parametrize("values", [None, 3, "text", [], ["name"], [["name", "x"]]])
def test_other_values_have_no_known_fields(values):
    assert known_fields(Kind, values) == {}


def test_fields_of_other_names_and_types_are_left_out():
    stored = {"name": "x", "count": True, "share": 1, "parts": {"a": "b"}, "words": [1], "more": 1}
    assert known_fields(Kind, stored) == {"name": "x", "share": 1}
