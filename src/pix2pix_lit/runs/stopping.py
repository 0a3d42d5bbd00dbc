"""Ctrl-C and SIGTERM as exceptions, so that what was begun is ended and removed."""

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
"""The signals that ask a program to end."""

MOST_SECONDS = 12
"""How long a program that was asked to end may take to clean up, before it ends in the middle of that."""

_is_stoppable = False  # whether this is a program, and not somebody's own who trains in it
_is_later = False  # whether a signal is noted only
_asked: int | None = None  # the signal that was noted
_awaited: object | None = None  # the end that is waited for: another one each time


class RunStopped(SystemExit):
    """Ends the process, and a sweep, with the exit status that shells give to one that a signal ended.

    Args:
        number: the signal, 2 for Ctrl-C and 15 for SIGTERM: the exit status is 128 more.
        together: whether all processes of the run stop so, in the same place.
    """

    def __init__(self, number: int, *, together: bool) -> None:
        # The first rank tells the signal; of others it only wants to hear that they ended well.
        super().__init__(0 if together and started_by_first_rank() else 128 + number)
        self.signal = signal.Signals(number)
        self.together = together


@contextmanager
def stoppable() -> Iterator[None]:
    """Within: Ctrl-C and SIGTERM raise ``RunStopped`` wherever the program is, where ``GracefulStop`` does not wait.

    So processes that were started are ended by those that clean up after themselves. Handlers that somebody else
    has installed are left alone.
    """
    global _asked, _awaited, _is_stoppable
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
            _asked = _awaited = None
            _is_stoppable = False


def stop_at_once(number: int, frame: FrameType | None) -> None:
    """The handler of ``stoppable``; a second signal of the kind ends the process without any cleaning up."""
    global _asked
    signal.signal(number, signal.SIG_DFL)
    if _is_stoppable:
        end_soon(number)
    if not _is_later:
        raise RunStopped(number, together=False)
    _asked = number


@contextmanager
def stop_later() -> Iterator[None]:
    """Within: a signal is raised at the end, in ``stop_now`` or by ``raise_if_asked``.

    For work that shares locks with other threads: what is raised between the taking of a lock and its release, at
    the wrong instruction, leaves it locked, and all that need it waiting for ever.
    """
    global _is_later
    _is_later = True
    try:
        yield
    finally:
        _is_later = False
        raise_if_asked()


@contextmanager
def stop_now() -> Iterator[None]:
    """Within, although it is within ``stop_later``: a signal is raised at once; for long work that takes no lock."""
    global _is_later
    former, _is_later = _is_later, False
    try:
        raise_if_asked()
        yield
    finally:
        _is_later = former


def raise_if_asked() -> None:
    """Raise ``RunStopped`` if a signal came within ``stop_later``."""
    global _asked
    if _asked is not None:
        number, _asked = _asked, None
        raise RunStopped(number, together=False)


def end_soon(number: int) -> None:
    """End the process ``MOST_SECONDS`` from now if it still runs, be it in what hears of no exception."""
    global _awaited
    _awaited = object()
    # Not by threading, whose locks the main thread may hold in the middle of which a handler is called.
    _thread.start_new_thread(_end_after_waiting, (number, _awaited))


def _end_after_waiting(number: int, awaited: object) -> None:
    time.sleep(MOST_SECONDS)
    if _awaited is awaited:
        os.write(2, f"\n{signal.Signals(number).name}: ended without waiting for what was under way\n".encode())
        os._exit(128 + number)
