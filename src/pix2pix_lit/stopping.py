"""Ctrl-C and SIGTERM as exceptions, so that what was begun is ended and removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from pix2pix_lit.ranks import started_by_first_rank

if TYPE_CHECKING:
    import lightning as L

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a program to end."""


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
    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                former[number] = signal.signal(number, stop_at_once)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def stop_at_once(number: int, frame: FrameType | None) -> None:
    """The handler of ``stoppable``; a second signal of the kind ends the process without any cleaning up."""
    signal.signal(number, signal.SIG_DFL)
    raise RunStopped(number, together=False)


def without_lightning_signals(trainer: "L.Trainer") -> None:
    """Keep a trainer from installing its own handlers.

    That of SIGTERM sends messages between processes while others are under way, which hangs (Lightning issue 20806).
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
