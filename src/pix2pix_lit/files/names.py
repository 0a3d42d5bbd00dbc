"""File names for libraries that take UTF-8 alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pix2pix_lit.errors import UserError


@contextmanager
def library_path(path: Path) -> Iterator[str]:
    """Within: a name of the file at ``path``, there already or not, that is UTF-8 although its folder is not.

    The runtimes and exporters written in C++ take names as UTF-8 text, but Linux has names of any bytes, such as
    those from old zip files.

    Raises:
        UserError: if the name of the file itself is not UTF-8.
        OSError: if there is no such folder.
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
