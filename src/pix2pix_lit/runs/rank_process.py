"""A rank that another rank starts: it reports why it fails, and never outlives the rank that started it.

Each of the two holds one end of a socket. It needs no disk, shows at once when the other process has ended, and keeps a
message until the first rank reads it.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait

_DESCRIPTOR = "PIX2PIX_LIT_FIRST_RANK"
"""The environment variable with the number of a started process's end of the socket."""

_MOST_CHARACTERS = 10_000  # of a message and its trace: fits into a socket's buffer until somebody reads it

_ends: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()
_to_first_rank: socket.socket | None = None


def _close_ends() -> None:
    for end in list(_ends):
        end.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_ends)  # otherwise data workers would keep them open


@dataclass(frozen=True)
class RankFailure:
    """Why a rank failed.

    Attributes:
        message: for the user.
        trace: stack trace to print as well; empty if bad input was the cause.
        is_consequence: whether it only lost the connection to another rank, which failed first.
    """

    message: str
    trace: str = ""
    is_consequence: bool = False


class RankProcess(subprocess.Popen[bytes]):
    """A process of this run for another device of this machine. It ends when this process ends.

    A terminal sends Ctrl-C to all processes of a run; only the first rank handles it.

    Args:
        local_rank: its number on this machine, from 1.
        command: the command to run, which must call ``follow_first_rank`` first.
        folder: its working directory.

    Raises:
        OSError: if the system cannot start it.
    """

    def __init__(self, local_rank: int, command: Sequence[str], folder: str) -> None:
        self.local_rank = local_rank
        self._read: RankFailure | None = None
        self._end, theirs = socket.socketpair()
        _ends.add(self._end)
        descriptor = theirs.fileno()
        environment = os.environ | {"LOCAL_RANK": str(local_rank), _DESCRIPTOR: str(descriptor)}
        with theirs, _interrupts_blocked():
            super().__init__(command, env=environment, cwd=folder, pass_fds=[descriptor])

    def failure(self) -> RankFailure | None:
        """Why it failed, by its own report or its exit status; None if it is running or has succeeded."""
        if self._read is None:
            with suppress(OSError, ValueError):
                if wait([self._end], timeout=0):
                    self._end.settimeout(2)
                    report = b"".join(iter(lambda: self._end.recv(1 << 16), b""))
                    self._read = RankFailure(**json.loads(report))
        if self._read is None and self.poll():
            return RankFailure(f"it {_end_of(self.returncode)}")
        return self._read

    def end(self, seconds: float) -> None:
        """Wait for it to end, kill it after so many seconds, and close the connection."""
        try:
            self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
        finally:
            self._end.close()


def _end_of(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    stopped = status - 128
    if stopped in (signal.SIGINT, signal.SIGTERM):
        return f"was ended by {signal.Signals(stopped).name}"
    return f"ended with exit status {status}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A context in which started processes ignore Ctrl-C, and this process handles it at the end."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def follow_first_rank() -> None:
    """End this process as soon as the rank that started it ends; nothing if no rank started it."""
    global _to_first_rank
    descriptor = os.environ.pop(_DESCRIPTOR, None)
    if descriptor is None:
        return
    _to_first_rank = socket.socket(fileno=int(descriptor))
    _to_first_rank.set_inheritable(False)
    _ends.add(_to_first_rank)
    threading.Thread(target=_end_with, args=(_to_first_rank,), daemon=True).start()


def _end_with(first_rank: socket.socket) -> None:
    with suppress(OSError):
        first_rank.recv(1)  # nothing is ever sent: it returns when the connection closes
    os._exit(1)  # the main thread may be blocked waiting for a process that is gone


def report_to_first_rank(failure: RankFailure) -> bool:
    """Send the reason why this process fails to the rank that started it; False if there is none."""
    if _to_first_rank is None:
        return False
    short = RankFailure(failure.message[:_MOST_CHARACTERS], failure.trace[-_MOST_CHARACTERS:], failure.is_consequence)
    try:
        _to_first_rank.sendall(json.dumps(asdict(short)).encode())
        _to_first_rank.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def is_consequence(error: BaseException) -> bool:
    """Whether an error only says that the connection to another rank broke."""
    is_of_torch = any(kind.__name__ == "DistError" for kind in type(error).__mro__)  # without importing torch
    return is_of_torch or (isinstance(error, RuntimeError) and "gloo" in str(error))
