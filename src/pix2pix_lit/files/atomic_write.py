"""Atomic writes: a temporary file, then a rename. The only place where temporary files get their names.

A name identifies the process that writes it: ``.pix2pix-lit.<machine>.<process>.<its start>.<random>.tmp``. This
distinguishes leftovers of a killed process from files that are being written, and keeps names short for any target.
"""

import errno
import functools
import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = re.compile(r"\.pix2pix-lit\.(?P<machine>[0-9a-f]{8})\.(?P<pid>\d+)\.(?P<start>\d+)\.[0-9a-f]{8}\.tmp")
_FOREIGN_SECONDS = 24 * 3600  # without a change, after which another machine's files count as leftovers
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, the user's quota, the process's limit

_cleaned: set[Path] = set()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; it then replaces ``path``, or is removed after an error.

    Raises:
        OSError: if the file cannot be renamed.
    """
    temporary = temporary_path(path.parent)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):  # still there after an error, and where both were names of one file
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder inside ``parent``, so on the same disk; removed at the end unless it was renamed.

    Raises:
        OSError: if it cannot be created.
    """
    temporary = temporary_path(parent)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_path(folder: Path) -> Path:
    """A new name in ``folder`` for a file that this process will remove or rename.

    The first call for a folder also removes the leftovers of killed processes there.
    """
    folder = folder.absolute()
    if folder not in _cleaned:
        remove_leftovers(folder)
        _cleaned.add(folder)
    pid = os.getpid()
    return folder / f".pix2pix-lit.{_machine()}.{pid}.{_start_of(pid) or 0}.{uuid.uuid4().hex[:8]}.tmp"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders directly in ``folder`` whose process has ended.

    Those of other machines and containers, whose processes are invisible, are removed a day after their last change.
    """
    try:
        names = [name for name in os.listdir(folder) if name.startswith(".pix2pix-lit.")]
    except OSError:  # no such folder yet
        return
    for name in names:
        path = folder / name
        with suppress(OSError):
            if (match := _NAME.fullmatch(name)) and _is_left_over(path, match):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, is a lack of disk space."""
    while error is not None:  # torch's writer raises another error while it cleans up after the first
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_left_over(path: Path, name: re.Match[str]) -> bool:
    if name["machine"] != _machine() or os.name == "nt":  # where os.kill would end the process
        return time.time() - path.lstat().st_mtime > _FOREIGN_SECONDS
    pid = int(name["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's; or a number that no process has
        pass
    start = _start_of(pid)
    return start is not None and start != int(name["start"])


@functools.cache
def _machine() -> str:
    """Eight digits, the same for all processes that see the same process numbers."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino  # containers may share a host name
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks since boot; -1 if it has ended, None if the system does not say.

    See proc_pid_stat(5): after the name in parentheses, which may hold anything, come the state and, 19 fields later,
    the start.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return -1 if state in b"ZX" else int(fields[18])
    except (OSError, ValueError, IndexError):
        return None
