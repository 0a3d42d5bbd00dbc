"""A process for another device and the one that starts it: why the one ends, and that it never outlives the other.

Both hold an end of a socket. It needs no disk, tells each at once that the other is gone, however that ended, and a
message in it stays there for the first rank to read.
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

_MOST_CHARACTERS = 10_000  # of a message and its trace: what a socket holds though nobody reads it

_ends: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()
_to_first_rank: socket.socket | None = None


def _close_ends() -> None:
    for end in list(_ends):
        end.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_ends)  # else data workers would hold them open after their process


@dataclass(frozen=True)
class LastWords:
    """Why a process failed.

    Attributes:
        message: for the person at the keyboard.
        trace: to be shown, too; empty if there is no need.
        is_consequence: whether only an exchange with another process broke, which failed first.
    """

    message: str
    trace: str = ""
    is_consequence: bool = False


class RankProcess(subprocess.Popen[bytes]):
    """A process of this run for another device of this machine. It ends when this one ends.

    Ctrl-C in a terminal is sent to all of them; it is the first rank's business alone.

    Args:
        local_rank: its number on this machine, from 1.
        command: what it runs, which calls ``follow_first_rank`` first.
        folder: its working directory.

    Raises:
        OSError: if the system cannot start it.
    """

    def __init__(self, local_rank: int, command: Sequence[str], folder: str) -> None:
        self.local_rank = local_rank
        self._read: LastWords | None = None
        self._end, theirs = socket.socketpair()
        _ends.add(self._end)
        descriptor = theirs.fileno()
        environment = os.environ | {"LOCAL_RANK": str(local_rank), _DESCRIPTOR: str(descriptor)}
        with theirs, _interrupts_blocked():
            super().__init__(command, env=environment, cwd=folder, pass_fds=[descriptor])

    def last_words(self) -> LastWords | None:
        """Why it failed, as it said or as its exit status tells; None if it runs or has ended well."""
        if self._read is None:
            with suppress(OSError, ValueError):
                if wait([self._end], timeout=0):
                    self._end.settimeout(2)
                    said = b"".join(iter(lambda: self._end.recv(1 << 16), b""))
                    self._read = LastWords(**json.loads(said))
        if self._read is None and self.poll():
            return LastWords(f"it {_end_of(self.returncode)}")
        return self._read

    def end(self, seconds: float) -> None:
        """Wait for its end; after so many seconds it is killed. Nothing is heard of it any more."""
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
    """Within: a process that is started is never sent Ctrl-C; for this one it waits."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def follow_first_rank() -> None:
    """From now on, if another process of this run started this one, end with it, whatever this one waits for."""
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
        first_rank.recv(1)  # nothing is ever sent: this is the end
    os._exit(1)  # the main thread may wait for ever for a process that is gone


def tell_first_rank(words: LastWords) -> bool:
    """Say why this process ends to the one that started it; False if there is none that could hear it."""
    if _to_first_rank is None:
        return False
    short = LastWords(words.message[:_MOST_CHARACTERS], words.trace[-_MOST_CHARACTERS:], words.is_consequence)
    try:
        _to_first_rank.sendall(json.dumps(asdict(short)).encode())
        _to_first_rank.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def is_consequence(error: BaseException) -> bool:
    """Whether an error says no more than that an exchange with another process broke."""
    is_of_torch = any(kind.__name__ == "DistError" for kind in type(error).__mro__)  # known without importing torch
    return is_of_torch or (isinstance(error, RuntimeError) and "gloo" in str(error))
