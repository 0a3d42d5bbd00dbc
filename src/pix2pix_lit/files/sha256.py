"""SHA-256 of files."""

import errno
import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """In hexadecimal, as ``sha256sum`` prints it.

    Raises:
        OSError: if it is no file or cannot be read.
    """
    if not path.is_file():  # opening a FIFO would wait for a writer
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
