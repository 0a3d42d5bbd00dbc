"""File names for libraries that accept only UTF-8."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pix2pix_lit.errors import UserError


@contextmanager
def library_path(path: Path) -> Iterator[str]:
    """Yield a UTF-8 name for the file at ``path``, which need not exist, even if the name of its folder is not UTF-8.

    Runtimes and exporters written in C++ take names as UTF-8 text, but on Linux names may be any bytes, such as those
    from old zip files.

    Raises:
        UserError: if the name of the file itself is not UTF-8.
        OSError: if the folder does not exist.
    """
    if is_utf8(path):
        yield str(path)
        return
    if not is_utf8(path.name):
        raise UserError(f"{path} has a name that is not UTF-8; expected one that is: rename the file")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def is_utf8(path: Path | str) -> bool:
    """Whether a file name is UTF-8 text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
