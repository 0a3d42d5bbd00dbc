"""Turns Ctrl-C and SIGTERM into exceptions, which lets ``finally`` blocks clean up."""

import _thread
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pix2pix_lit.runs.rank import started_by_first_rank

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a program to stop."""

MOST_SECONDS = 12
"""Time that a stopped program has for cleaning up before it is forced to exit."""

_is_stoppable = False  # whether this is our own program, not one that imports the package
_is_deferred = False  # whether signals are only recorded
_deferred: int | None = None  # the recorded signal
_awaited: object | None = None  # identifies the exit that ``end_soon`` waits for


class RunStopped(SystemExit):
    """Ends the process, and a sweep, with the exit status that shells report for a signal.

    Args:
        number: the signal, 2 for Ctrl-C and 15 for SIGTERM; the exit status is 128 more.
        together: whether all ranks of the run stop at the same step.
    """

    def __init__(self, number: int, *, together: bool) -> None:
        # Only the first rank reports the signal; the others then count as successful.
        super().__init__(0 if together and started_by_first_rank() else 128 + number)
        self.signal = signal.Signals(number)
        self.together = together


@contextmanager
def stoppable() -> Iterator[None]:
    """A context in which Ctrl-C and SIGTERM raise ``RunStopped``, except while ``GracefulStop`` handles them.

    This lets code that started processes end them. Signal handlers that other code has installed are not replaced.
    """
    global _deferred, _awaited, _is_stoppable
    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                former[number] = signal.signal(number, stop_at_once)
    _is_stoppable = _is_stoppable or bool(former)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if former:
            _deferred = _awaited = None
            _is_stoppable = False


def stop_at_once(number: int, frame: FrameType | None) -> None:
    """The signal handler of ``stoppable``; the same signal again ends the process without any cleanup."""
    global _deferred
    signal.signal(number, signal.SIG_DFL)
    if _is_stoppable:
        end_soon(number)
    if not _is_deferred:
        raise RunStopped(number, together=False)
    _deferred = number


@contextmanager
def stop_later() -> Iterator[None]:
    """A context that defers signals to its end, to ``stop_now`` or to ``raise_if_signalled``.

    For work that shares locks with other threads: an exception raised at the wrong instruction could leave a lock
    taken, and all threads that need it would wait forever.
    """
    global _is_deferred
    _is_deferred = True
    try:
        yield
    finally:
        _is_deferred = False
        raise_if_signalled()


@contextmanager
def stop_now() -> Iterator[None]:
    """A context within ``stop_later`` that raises signals at once again; for long work that takes no lock."""
    global _is_deferred
    former, _is_deferred = _is_deferred, False
    try:
        raise_if_signalled()
        yield
    finally:
        _is_deferred = former


def raise_if_signalled() -> None:
    """Raise ``RunStopped`` if ``stop_later`` has deferred a signal."""
    global _deferred
    if _deferred is not None:
        number, _deferred = _deferred, None
        raise RunStopped(number, together=False)


def end_soon(number: int) -> None:
    """Exit ``MOST_SECONDS`` from now if the process is still running, even where no exception can be raised."""
    global _awaited
    _awaited = object()
    # Not with ``threading``: the interrupted main thread may hold its locks.
    _thread.start_new_thread(_end_after_waiting, (number, _awaited))


def _end_after_waiting(number: int, awaited: object) -> None:
    time.sleep(MOST_SECONDS)
    if _awaited is awaited:
        os.write(2, f"\n{signal.Signals(number).name}: exited without waiting for unfinished work\n".encode())
        os._exit(128 + number)
