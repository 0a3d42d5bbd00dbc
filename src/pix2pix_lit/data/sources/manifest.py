"""Pairs listed in a table: CSV, TSV, JSON Lines or Parquet, with a column of paths for each image."""

import csv
import io
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pix2pix_lit.checks import FreeText
from pix2pix_lit.data.pair import Pair, PairSource, read_pair
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import members
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.files.text import as_on_disk, read_text
from pix2pix_lit.images.image_type import RGB, ImageType

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Suffixes of the tables that can be read, compared case-insensitively."""


class ManifestSource(PairSource):
    """The pairs of a table, in its order; paths are absolute, or relative to the folder of the table::

        a,b,split
        scans/1.tif,photos/1.png,train
        scans/2.tif,photos/2.png,val

    Args:
        root: the table: ``.csv`` and ``.tsv`` with a line of column names, ``.jsonl`` with an object per line, or
            ``.parquet``.
        split: value of the column ``split_column``, or the name of a fraction.
        a: image type of the A images.
        b: image type of the B images.
        a_column: the column with the paths of the A images.
        b_column: the column with the paths of the B images.
        split_column: the column with the names of the splits; None, or a table without it, divides the rows by
            ``fractions``.
        fractions: the share of the A images in each split; all rows of an A image are in the same split. See
            ``splits.members``.
        split_seed: seed of the division by ``fractions``.

    Raises:
        UserError: if the table cannot be read, lacks a column or a value, has no row of the split, or lists files that
            do not exist.
    """

    def __init__(
        self,
        root: str | None,
        split: str,
        a: ImageType = RGB,
        b: ImageType = RGB,
        a_column: FreeText = "a",
        b_column: FreeText = "b",
        split_column: FreeText | None = "split",
        fractions: Mapping[str, float] | None = None,
        split_seed: int = 0,
    ) -> None:
        self.a, self.b = a, b
        with explained_by_layout(root):
            table = _read(root, (a_column, b_column, split_column))
        for option, column in (("a_column", a_column), ("b_column", b_column)):
            if column not in table.columns:
                raise UserError(
                    f"{table.path} has no column {column!r} (its columns: {', '.join(table.columns)}); expected the "
                    f"paths of the images there: pass data.source.{option}"
                )
        a_names, b_names = table.texts(a_column), table.texts(b_column)
        if split_column is not None and split_column in table.columns:
            if fractions is not None:
                raise UserError(
                    f"{table.path} has a column {split_column!r}, and data.source.fractions is set; expected one of "
                    f"them: pass data.source.split_column=null to divide the rows by fractions"
                )
            rows = _of_split(table, split_column, split)
        elif fractions is None:
            raise UserError(
                f"{table.path} has no column {split_column!r} (its columns: {', '.join(table.columns)}); expected the "
                f"split of each row there: pass data.source.split_column, or divide the rows by "
                f"'data.source.fractions={{train:0.9,val:0.1}}'"
            )
        else:
            images = list(dict.fromkeys(a_names))
            chosen = {images[index] for index in members(images, split, fractions, split_seed)}
            rows = [row for row, name in enumerate(a_names) if name in chosen]
        _report_repetitions(table, list(zip(a_names, b_names, strict=True)))
        self._folder, self._split = table.path.parent, split
        self.a_paths, self.b_paths = (
            Paths(as_on_disk(self._folder / names[row]) for row in rows) for names in (a_names, b_names)
        )
        absent = [
            f"{path} ({table.place(row)})"
            for paths in (self.a_paths, self.b_paths)
            for row, path in zip(rows, paths, strict=True)
            if not os.path.isfile(path)
        ]
        if absent:
            raise UserError(
                f"{len(absent)} of {2 * len(rows)} files that {table.path} lists do not exist: {first_few(absent)}; "
                f"expected paths relative to {self._folder}, or absolute: correct the table, or add the files"
            )

    def __len__(self) -> int:
        return len(self.a_paths)

    def __getitem__(self, index: int) -> Pair:
        a_path, b_path = self.files(index)
        name = a_path.relative_to(self._folder).as_posix() if a_path.is_relative_to(self._folder) else a_path.name
        return read_pair(a_path, b_path, self.a, self.b, name)

    def files(self, index: int) -> tuple[Path, Path]:
        return self.a_paths[index], self.b_paths[index]

    @property
    def settings(self) -> dict[str, Any]:
        return {"layout": "manifest", "split": self._split}


class _Table(NamedTuple):
    path: Path
    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]
    lines: Sequence[int] | None
    """Line numbers of the rows in a text file."""

    def place(self, row: int) -> str:
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def texts(self, column: str) -> list[str]:
        values = []
        for index, row in enumerate(self.rows):
            value = row.get(column)
            if not isinstance(value, str) or not value:
                found = "nothing" if value is None or value == "" else repr(value)
                raise UserError(
                    f"{self.path} has {found} in column {column!r}, {self.place(index)}; expected text: correct "
                    f"the table"
                )
            values.append(value)
        return values


def _read(root: str | None, wanted: Sequence[str | None]) -> _Table:
    expected = f"expected a table that lists the pairs, ending in {', '.join(SUFFIXES)}"
    if root is None:
        raise UserError(f"data.root is not set; {expected}: pass data.root=/path/to/pairs.csv")
    path = Path(root).expanduser()
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{path} {found}; {expected}: check data.root")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} ends in {suffix!r}; {expected}: convert or rename it")
    if suffix == ".parquet":
        table = _read_parquet(path, wanted)
    else:
        text = read_text(path, "a table: check data.root")
        table = _read_json_lines(path, text) if suffix == ".jsonl" else _read_csv(path, text, suffix, wanted)
    if not table.rows:
        raise UserError(f"{path} has no row; {expected}")
    return table


def _delimiter(text: str, suffix: str, wanted: Sequence[str | None]) -> str:
    """The delimiter of line 1: the usual one of the suffix, unless another yields more of the wanted columns, or more
    columns: some spreadsheets write semicolons, in countries with decimal commas."""
    usual = "\t" if suffix == ".tsv" else ","

    def fit(delimiter: str) -> tuple[int, int, bool]:
        try:
            columns = next(csv.reader([text.partition("\n")[0]], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            return 0, 0, False
        return len({*columns} & {*wanted}), len(columns), delimiter == usual

    return max((usual, ",", ";", "\t"), key=fit)


def _read_csv(path: Path, text: str, suffix: str, wanted: Sequence[str | None]) -> _Table:
    delimiter = _delimiter(text, suffix, wanted)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines = [], []
    try:
        columns = list(reader.fieldnames or ())
        if len(set(columns)) < len(columns):
            raise UserError(f"{path} has two columns of one name among {', '.join(columns)}; expected distinct names")
        for row in reader:
            if None in row:
                raise UserError(
                    f"{path} has more values in line {reader.line_num} than the {len(columns)} columns of line 1 "
                    f"({', '.join(columns)}); expected as many: put a value with {delimiter!r} in it in quotes"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"{path} is malformed after line {reader.line_num} ({error}): correct the table") from error
    return _Table(path, columns, rows, lines)


def _read_json_lines(path: Path, text: str) -> _Table:
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path} is malformed in line {number} ({error}); expected a JSON object a line") from error
        if not isinstance(row, dict):
            raise UserError(f"{path} has {line.strip()[:50]} in line {number}; expected a JSON object a line")
        rows.append(row)
        lines.append(number)
    return _Table(path, list(dict.fromkeys(column for row in rows for column in row)), rows, lines)


def _read_parquet(path: Path, wanted: Sequence[str | None]) -> _Table:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            f"{path} can only be read with pyarrow, which is not installed: pip install 'pix2pix-lit[parquet]'"
        ) from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
        columns = file.schema_arrow.names
        rows = file.read([column for column in columns if column in wanted]).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read ({error}); expected an intact Parquet file: replace it") from error
    return _Table(path, columns, rows, None)


def _of_split(table: _Table, column: str, split: str) -> list[int]:
    values = table.texts(column)
    rows = [row for row, value in enumerate(values) if value == split]
    if not rows:
        raise UserError(
            f"{table.path} has no row with {split!r} in column {column!r} (it has: {', '.join(sorted(set(values)))}); "
            f"expected rows for each split: name others with data.train_split and data.val_split"
        )
    return rows


def _report_repetitions(table: _Table, pairs: Sequence[tuple[str, str]]) -> None:
    """Log which pairs are listed more than once, if any: legal, but rarely intended."""
    first: dict[tuple[str, str], int] = {}
    repeated = [
        f"{table.place(row)} as {table.place(earlier)}"
        for row, pair in enumerate(pairs)
        if (earlier := first.setdefault(pair, row)) != row
    ]
    if repeated:
        log.warning("%d of %d rows of %s repeat a pair: %s", len(repeated), len(pairs), table.path, first_few(repeated))
