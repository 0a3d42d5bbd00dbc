"""Locks between processes, which the operating system releases when their process ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

_SILENT_SECONDS = 0.2


@contextmanager
def locked(path: Path, target: Path) -> Iterator[None]:
    """Hold the lock file ``path`` while this process creates ``target``; waiting is logged."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_SILENT_SECONDS)
    except Timeout:
        log.info("Waiting for another process that is creating %s", target)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
