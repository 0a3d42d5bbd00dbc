"""Atomic writes: a temporary file, then a rename; and the only place where temporary files get their names.

A name says which process made it: ``.pix2pix-lit.<machine>.<process>.<its start>.<random>.tmp``. So what a killed
process left is told from what a running one writes; and the longest names of targets have temporary ones too.
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

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""``errno`` of a full disk, of a user's quota and of a process's limit."""

_NAME = re.compile(r"\.pix2pix-lit\.(?P<machine>[0-9a-f]{8})\.(?P<pid>\d+)\.(?P<start>\d+)\.[0-9a-f]{8}\.tmp")
_FOREIGN_SECONDS = 24 * 3600  # without a change, until what another machine left counts as left over

_cleaned: set[Path] = set()


@contextmanager
def replacement_of(path: Path) -> Iterator[Path]:
    """Within: a path beside ``path`` to write to; what is there at the end replaces it, or is removed after an error.

    Raises:
        OSError: if the file cannot be renamed, and whatever is raised within.
    """
    temporary = temporary_path_in(path.parent)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):  # still there after an error, and where both were names of one file
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder_in(folder: Path) -> Iterator[Path]:
    """Within: a new folder inside ``folder``, on the same disk; removed at the end unless it was renamed.

    Raises:
        OSError: if it cannot be made, and whatever is raised within.
    """
    temporary = temporary_path_in(folder)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_path_in(folder: Path) -> Path:
    """A new name in ``folder`` for a file of this process, which is to remove or rename it.

    The first one in a folder also removes what killed processes left there.
    """
    folder = folder.absolute()
    if folder not in _cleaned:
        remove_leftovers(folder)
        _cleaned.add(folder)
    pid = os.getpid()
    return folder / f".pix2pix-lit.{_machine()}.{pid}.{_start_of(pid) or 0}.{uuid.uuid4().hex[:8]}.tmp"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders directly in ``folder`` that no running process owns.

    Whether a process of another machine or container runs cannot be known: what it has not changed for a day goes too.
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
    """Eight digits that only processes that see the same process numbers share."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino  # containers may share a host name
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks since the machine did; -1 once it has ended, None where the system does not say.

    See proc_pid_stat(5): the name in parentheses may hold anything, then come the state and, 19 fields on, the start.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return -1 if state in b"ZX" else int(fields[18])
    except (OSError, ValueError, IndexError):
        return None
