"""Text files from users, such as lists of paths and tables, in any common encoding."""

import codecs
import logging
import os
import unicodedata
from pathlib import Path

from pix2pix_lit.errors import UserError

log = logging.getLogger(__name__)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FALLBACK = "cp1252"  # the default encoding of Windows in Western Europe and the Americas


def read_text(path: str | os.PathLike[str], expected: str = "a text file: check the path") -> str:
    """The text of a file: UTF-8, UTF-16 or UTF-32 with a byte order mark, otherwise Windows-1252 with a warning.

    Args:
        path: the file.
        expected: for messages: what was expected, and what to do.

    Raises:
        UserError: if it cannot be read or is not text.
    """
    return decode_text(_bytes_of(path, expected), str(path))


def decode_text(data: bytes, name: str) -> str:
    """Like ``read_text``, for the content of a file that messages call ``name``.

    Raises:
        UserError: if it is not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _checked(_decoded(data[len(mark) :], encoding, name), name)
    try:
        return _checked(data.decode("utf-8"), name)
    except UnicodeDecodeError:
        text = _checked(_decoded(data, _FALLBACK, name), name)
        log.warning(
            "%s is not UTF-8 and was read as Windows-1252: if names with accents are wrong, save it as UTF-8", name
        )
        return text


def read_paths(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a file that lists paths; see ``decode_paths``."""
    return decode_paths(_bytes_of(path, "a text file with a path on each line: check the path"), str(path))


def decode_paths(data: bytes, name: str) -> list[str]:
    """The lines of a list of paths, without line ends and blank lines.

    Raises:
        UserError: if it is not text.
    """
    try:
        text = decode_text(data, name) if _is_unicode(data) else _raw_names(data, name)
    except UserError as error:
        if b"\0" in data:
            raise UserError(f"{error} (find -print0 separates names with them: leave -print0 out)") from None
        raise
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def as_on_disk(path: Path) -> Path:
    """The path, or the same path in another Unicode normal form if only that exists."""
    if not os.path.lexists(path):
        for form in ("NFC", "NFD"):
            other = Path(unicodedata.normalize(form, str(path)))
            if os.path.lexists(other):
                return other
    return path


def _is_unicode(data: bytes) -> bool:
    if any(data.startswith(mark) for mark, _ in _MARKS):
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _raw_names(data: bytes, name: str) -> str:
    """File names may be any bytes: names of existing files stay as they are, others are decoded as text."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    foreign = {line for line in lines if b"\0" in line or not (_is_unicode(line) or _exists(line))}
    if foreign:
        decode_text(b"\n".join(sorted(foreign)), name)  # for its warning
    return "\n".join(_decoded(line, _FALLBACK, name) if line in foreign else os.fsdecode(line) for line in lines)


def _exists(name: bytes) -> bool:
    return os.path.exists(os.path.expanduser(os.fsdecode(name)))


def _bytes_of(path: str | os.PathLike[str], expected: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); expected {expected}") from error


def _decoded(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not text ({error}); expected UTF-8: save it as UTF-8") from None


def _checked(text: str, name: str) -> str:
    if "\0" in text:
        raise UserError(
            f"{name} holds NUL characters; expected text in UTF-8, or UTF-16 with a byte order mark: save it as UTF-8"
        )
    return text
