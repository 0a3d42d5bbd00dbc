"""Checksums of exported files, in the JSON beside them."""

import json
from collections.abc import Iterable
from pathlib import Path

from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.files.sha256 import sha256_of

SHA256 = "sha256"
"""The key in the JSON: checksums by the endings of file names, so all files of an export can be renamed."""

_LARGEST_JSON = 2**24


def checksums_of(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files in hexadecimal, as ``sha256sum`` prints it, by the endings of their names."""
    return {path.suffix: sha256_of(path) for path in paths}


def json_beside(path: Path) -> Path:
    """The path of an exported file's JSON."""
    return path.with_name(f"{path.name}.json")


def verify_export(path: Path) -> None:
    """Compare an exported file, and those that belong to it, with the checksums in the JSON beside it.

    A file without a JSON, or with one that has no checksums, is accepted.

    Args:
        path: the file to verify.

    Raises:
        UserError: naming the file that differs, and if the JSON is damaged.
    """
    beside = json_beside(path)
    if not beside.is_file():
        return
    try:
        if beside.stat().st_size > _LARGEST_JSON:
            return  # not written by this package
        content = json.loads(beside.read_text(encoding="utf-8"))
        checksums = content.get(SHA256, {}) if isinstance(content, dict) else {}
        if not isinstance(checksums, dict):
            raise ValueError(f"{SHA256} is not a table")
        files = {path.with_suffix(suffix): checksum for suffix, checksum in checksums.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{shown(beside)} cannot be read ({type(error).__name__}: {error}); expected the file that was written "
            f"together with {shown(path.name)} and holds its checksum: get another copy of both"
        ) from error
    for file, checksum in files.items():
        try:
            found = sha256_of(file)
        except OSError as error:
            raise UserError(
                f"{shown(file)} cannot be read ({error.strerror}), but belongs to {shown(path.name)} according to "
                f"{shown(beside.name)}; expected all files of the export in one folder"
            ) from error
        if found != checksum:
            raise UserError(
                f"{shown(file)} is damaged, or is not the file that {shown(beside.name)} was written for: the checksum "
                f"differs; expected the files of one export: get another copy, or export it again"
            )
