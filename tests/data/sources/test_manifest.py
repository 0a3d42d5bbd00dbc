"""Pairs as rows of a table."""

import json
import logging
import sys
import unicodedata

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from pix2pix_lit.data.pair import SizeMismatchError
from pix2pix_lit.data.sources.manifest import ManifestSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType

ROWS = [
    ("photos/2.png", "labels/b.png", "train"),
    ("photos/1.png", "labels/a.png", "train"),
    ("3.png", "3l.png", "val"),
]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of ``ROWS``, each of one colour."""
    for number, row in enumerate(ROWS):
        for side, name in enumerate(row[:2]):
            write_image(tmp_path / name, np.full((2, 3, 3), 10 * number + side, np.uint8))
    return tmp_path


def write_table(path, rows, columns=("a", "b", "split")):
    if path.suffix == ".parquet":
        values = dict(zip(columns, zip(*rows, strict=True), strict=True))
        pyarrow.parquet.write_table(pyarrow.table(values), path)
    elif path.suffix == ".jsonl":
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        path.write_text("".join(f"{json.dumps(each)}\n" for each in objects), encoding="utf-8")
    else:
        delimiter = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [delimiter.join(row) for row in (columns, *rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def names(source):
    return [tuple(path.name for path in source.files(index)) for index in range(len(source))]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_table_gives_its_pairs_in_its_order(folder, suffix):
    table = write_table(folder / f"pairs{suffix}", ROWS)
    train = ManifestSource(table, "train")
    assert [train[i].name for i in range(len(train))] == ["photos/2.png", "photos/1.png"]
    assert [(int(train[i].a[0, 0, 0]), int(train[i].b[0, 0, 0])) for i in range(2)] == [(0, 1), (10, 11)]
    assert train.files(1) == (folder / "photos/1.png", folder / "labels/a.png")
    val = ManifestSource(table, "val")
    assert names(val) == [("3.png", "3l.png")]
    assert train.settings != val.settings  # or one cache would take the place of the other


def test_every_side_is_read_as_its_own_type(folder):
    write_image(folder / "h.tif", np.array([[[1], [60000]]], np.uint16))
    write_image(folder / "c.png", np.array([[[2], [0]]], np.uint8))
    a, b = ImageType(channels=1, dtype="uint16"), ImageType(kind="ids", channels=1, classes=3)
    source = ManifestSource(write_table(folder / "x.csv", [("h.tif", "c.png", "val")]), "val", a, b)
    assert (source[0].a.dtype, source[0].a.tolist(), source[0].b.tolist()) == ("uint16", [[[1], [60000]]], [[[2], [0]]])
    assert (source.a, source.b) == (a, b)


def test_paths_are_relative_to_the_table_or_absolute_and_may_lead_elsewhere(folder):
    (folder / "tables").mkdir()
    rows = [("../3.png", f"{folder}/3l.png", "val"), (f"{folder}/3.png", "../photos/../3l.png", "val")]
    source = ManifestSource(write_table(folder / "tables/pairs.csv", rows), "val")
    assert [int(source[i].b[0, 0, 0]) for i in range(2)] == [21, 21]
    assert source[1].name == "3.png"


def test_columns_are_named_in_the_configuration(folder):
    table = write_table(folder / "x.csv", ROWS, ("photo", "label map", "fold"))
    source = ManifestSource(table, "val", a_column="photo", b_column="label map", split_column="fold")
    assert names(source) == [("3.png", "3l.png")]


def test_tables_as_spreadsheets_write_them_are_read(folder):
    write_image(folder / "a, b.png", np.zeros((1, 1, 3), np.uint8))
    write_image(folder / "ü.png", np.zeros((1, 1, 3), np.uint8))
    text = '\ufeffa, b,note,split\r\n"a, b.png", ü.png,"two\nlines",val\r\n\r\nü.png,"a, b.png",,val\r\n'
    (folder / "x.CSV").write_bytes(text.encode())
    assert names(ManifestSource(str(folder / "x.CSV"), "val")) == [("a, b.png", "ü.png"), ("ü.png", "a, b.png")]


def test_json_lines_may_have_further_values_and_blank_lines(folder):
    (folder / "x.jsonl").write_text('\n{"a": "3.png", "b": "3l.png", "split": "val", "more": [1, {"x": null}]}\n  \n')
    assert names(ManifestSource(str(folder / "x.jsonl"), "val")) == [("3.png", "3l.png")]


def test_a_table_without_a_column_of_splits_wants_fractions(folder):
    table = write_table(folder / "x.csv", [row[:2] for row in ROWS], ("a", "b"))
    message = r"x\.csv has no column 'split' \(its columns: a, b\).*data\.source\.fractions=\{train:0\.9,val:0\.1\}"
    with pytest.raises(UserError, match=message):
        ManifestSource(table, "train")
    parts = [names(ManifestSource(table, split, fractions={"train": 0.7, "val": 0.3})) for split in ("train", "val")]
    assert [len(part) for part in parts] == [2, 1]
    assert sorted(parts[0] + parts[1]) == [("1.png", "a.png"), ("2.png", "b.png"), ("3.png", "3l.png")]


def test_a_column_of_splits_and_fractions_are_refused_unless_one_is_left_out(folder):
    table, fractions = write_table(folder / "x.csv", ROWS), {"train": 0.7, "val": 0.3}
    with pytest.raises(UserError, match=r"has a column 'split', and data\.source\.fractions is set.*split_column=null"):
        ManifestSource(table, "train", fractions=fractions)
    assert len(ManifestSource(table, "train", split_column=None, fractions=fractions)) == 2


def test_fractions_keep_all_rows_of_an_a_image_in_one_split(folder):
    for name in [f"{number}.bmp" for number in range(10)] + [
        f"{number}-{other}.bmp" for number in range(10) for other in "xyz"
    ]:
        write_image(folder / name, np.zeros((1, 1, 3), np.uint8))
    rows = [(f"{number}.bmp", f"{number}-{other}.bmp") for other in "xyz" for number in range(10)]
    table = write_table(folder / "x.csv", rows, ("a", "b"))
    train, val = (names(ManifestSource(table, s, fractions={"train": 0.45, "val": 0.55})) for s in ("train", "val"))
    assert (len(train), len(val)) == (15, 15)
    assert not {a for a, _ in train} & {a for a, _ in val}
    other = ManifestSource(table, "val", fractions={"train": 0.45, "val": 0.55}, split_seed=1)
    assert names(other) != val


def test_an_unknown_split_is_named_with_those_that_are_there(folder):
    table = write_table(folder / "x.csv", [*ROWS, ("3.png", "3l.png", "Train")])
    with pytest.raises(UserError, match=r"no row with 'test' in column 'split' \(it has: Train, train, val\)"):
        ManifestSource(table, "test")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_column_is_named_with_those_that_are_there(folder, suffix):
    table = write_table(folder / f"x{suffix}", ROWS, ("input", "b", "split"))
    with pytest.raises(UserError, match=r"no column 'a' \(its columns: input, b, split\).*data\.source\.a_column"):
        ManifestSource(table, "train")


def test_missing_files_are_counted_and_named_with_their_lines(folder):
    rows = [*ROWS, *((f"none{number}.png", "3l.png", "val") for number in range(3)), ("3.png", "no.png", "val")]
    table = write_table(folder / "x.csv", rows)
    message = (
        r"4 of 10 files .* do not exist: .*/none0\.png \(line 5\), .*/no\.png \(line 8\); expected paths relative to"
    )
    with pytest.raises(UserError, match=message):
        ManifestSource(table, "val")
    assert len(ManifestSource(table, "train")) == 2


def test_many_missing_files_are_cut_short_and_folders_are_no_files(folder):
    rows = [("photos", f"{'n' * 300}{number}.png", "val") for number in range(9)]
    with pytest.raises(UserError, match=r"18 of 18 files .*photos \(row 5\), \.\.\.; expected"):
        ManifestSource(write_table(folder / "x.parquet", rows), "val")


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".csv", "a,b,split\n3.png,3l.png,val\n\n3.png,,val\n", r"nothing in column 'b', line 4"),
        (".csv", "a,b,split\n3.png,3l.png\n", r"nothing in column 'split', line 2"),
        (
            ".csv",
            "a,b,split\n\n3,x.png,3l.png,val\n",
            r"more values in line 3 than the 3 columns.*put a value with ',' in",
        ),
        (".csv", 'a,b,split\n3.png,"3l.png,val\n', r"malformed after line 1 \(.*end of data"),
        (".csv", "a,b,a\n3.png,3l.png,val\n", r"two columns of one name among a, b, a"),
        (".csv", "a,b,split\n", r"has no row; expected a table"),
        (".csv", "", r"has no row; expected a table"),
        (".csv", "a|b|split\n3.png|3l.png|val\n", r"no column 'a' \(its columns: a\|b\|split\)"),
        (".csv", "a;b;split\n3.png;3l.png;val;x\n", r"more values in line 2 than the 3 columns.*value with ';' in"),
        (".csv", "a,b,split\n3\0.png,3l.png,val\n", r"x\.csv holds NUL characters; expected text in UTF-8"),
        (".tsv", "a\tb\tsplit\n3.png\t\tval\n", r"nothing in column 'b', line 2"),
        (
            ".jsonl",
            '{"a": "3.png", "b": "3l.png", "split": "val"}\n{"a": \n',
            r"malformed in line 2 \(.*a JSON object a l",
        ),
        (".jsonl", '\n["3.png", "3l.png"]\n', r'has \["3.png", "3l.png"\] in line 2; expected a JSON object a line'),
        (".jsonl", '{"a": "3.png", "split": "val"}\n{"b": "x", "a": "3.png"}\n', r"nothing in column 'b', line 1"),
        (".jsonl", '\n{"a": "3.png", "b": 3, "split": "val"}\n', r"has 3 in column 'b', line 2; expected text"),
        (".parquet", "a,b,split\n", r"x\.parquet cannot be read .*expected an intact Parquet file"),
        (
            ".txt",
            "a,b,split\n",
            r"ends in '\.txt'; expected a table .*\.csv, \.tsv, \.jsonl, \.parquet: convert or rename",
        ),
    ],
)
def test_faulty_tables_are_refused_with_the_line(folder, suffix, text, message):
    (folder / f"x{suffix}").write_text(text)
    with pytest.raises(UserError, match=message):
        ManifestSource(str(folder / f"x{suffix}"), "val")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom", "cp1252"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_tables_are_read_in_the_encoding_that_spreadsheets_and_powershell_write(folder, suffix, encoding):
    write_image(folder / "ü.png", np.zeros((2, 3, 3), np.uint8))
    text = "a,b,split\r\nü.png,3l.png,val" if suffix == ".csv" else '{"a": "ü.png", "b": "3l.png", "split": "val"}'
    if encoding.endswith("-bom"):
        content = f"\ufeff{text}".encode(encoding.removesuffix("-bom"))
    else:
        content = text.encode(encoding)
    (folder / f"x{suffix}").write_bytes(content)
    assert names(ManifestSource(str(folder / f"x{suffix}"), "val")) == [("ü.png", "3l.png")]


def test_files_are_found_by_names_that_look_the_same(folder):
    write_image(folder / unicodedata.normalize("NFD", "ü.png"), np.zeros((2, 3, 3), np.uint8))
    (folder / "x.csv").write_text(unicodedata.normalize("NFC", "a,b,split\nü.png,3l.png,val"), "utf-8")
    [pair] = ManifestSource(str(folder / "x.csv"), "val")
    assert pair.a.shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv", "a;b;split\n3.png;3l.png;val\n"),
        (".csv", "a\tb\tsplit\n3.png\t3l.png\tval\n"),
        (".tsv", "a,b,split\n3.png,3l.png,val\n"),
        (".csv", 'a;"b";"a note, with commas, many";split\n3.png;3l.png;1,5;val\n'),
    ],
)
def test_columns_may_be_divided_by_semicolons_tabs_or_commas_whatever_the_table_is_called(folder, suffix, text):
    (folder / f"x{suffix}").write_text(text)
    assert names(ManifestSource(str(folder / f"x{suffix}"), "val")) == [("3.png", "3l.png")]


def test_values_of_parquet_must_be_text(folder):
    pyarrow.parquet.write_table(pyarrow.table({"a": ["3.png"] * 2, "b": ["3l.png", None]}), folder / "x.parquet")
    with pytest.raises(UserError, match=r"has nothing in column 'b', row 2; expected text"):
        ManifestSource(str(folder / "x.parquet"), "val")
    pyarrow.parquet.write_table(pyarrow.table({"a": ["3.png"] * 2, "b": [7, 7]}), folder / "x.parquet")
    with pytest.raises(UserError, match=r"has 7 in column 'b', row 1; expected text"):
        ManifestSource(str(folder / "x.parquet"), "val")


def test_without_pyarrow_the_message_says_how_to_get_it(folder, monkeypatch):
    table = write_table(folder / "x.parquet", ROWS)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"not installed: pip install 'pix2pix-lit\[parquet\]'"):
        ManifestSource(table, "val")


def test_pairs_that_are_listed_again_are_kept_and_reported(folder, caplog):
    table = write_table(folder / "x.csv", [*ROWS, ROWS[0], ("3.png", "3l.png", "train")])
    with caplog.at_level(logging.WARNING):
        source = ManifestSource(table, "train")
    assert len(source) == 4
    [message] = [record.getMessage() for record in caplog.records]
    assert message == f"2 of 5 rows of {table} repeat a pair: line 5 as line 2, line 6 as line 4"


def test_a_table_that_lists_every_pair_once_is_not_reported(folder, caplog):
    ManifestSource(write_table(folder / "x.csv", [*ROWS, ("3.png", "labels/a.png", "val")]), "train")
    assert caplog.text == ""


def test_partners_of_unequal_size_are_refused(folder):
    write_image(folder / "large.png", np.zeros((5, 5, 3), np.uint8))
    source = ManifestSource(write_table(folder / "x.csv", [("3.png", "large.png", "val")]), "val")
    with pytest.raises(SizeMismatchError, match=r"3\.png is 3x2 .*large\.png is 5x5"):
        source[0]


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (None, r"data\.root is not set; expected a table that lists the pairs.*pass data\.root=/path/to/pairs\.csv"),
        ("nowhere.csv", r"nowhere\.csv does not exist; expected a table"),
        (".", r" is a folder; expected a table.*check data\.root"),
    ],
)
def test_a_root_that_is_no_table_is_refused(folder, root, message):
    with pytest.raises(UserError, match=message):
        ManifestSource(root and str(folder / root), "train")


def test_a_table_in_the_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    write_table(folder / "x.csv", ROWS)
    assert len(ManifestSource("~/x.csv", "train")) == 2
