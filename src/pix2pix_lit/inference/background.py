"""Threads for what is done while the network paints: reading ahead, and writing behind.

Decoders and encoders let other threads run while they work, so that threads do what processes would, and large images
need not be sent from one to another.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int = 1
) -> Iterator[Result]:
    """``map(function, items)``, in order, but worked out in the background.

    Args:
        function: what is called; what it raises is raised here.
        items: what it is called with.
        threads: how many work; 0 works everything out when it is asked for.
        ahead: results that wait to be asked for, beside one for every thread.
    """
    if threads == 0:
        yield from map(function, items)
        return
    remaining = iter(items)
    with ThreadPoolExecutor(threads, "read") as pool:
        try:
            waiting = deque(pool.submit(function, item) for item in islice(remaining, threads + ahead))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class BackgroundWriter:
    """Calls functions in the background, in no certain order, and keeps what calls them from running far ahead.

    Args:
        threads: how many work; 0 calls every function at once.
        most_waiting: calls that may wait; one more waits for the oldest.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "write") if threads else None
        self._most_waiting = most_waiting
        self._waiting: deque[Future[None]] = deque()

    def submit(self, function: Callable[[], None]) -> None:
        """Have ``function`` called; raises what an earlier one has raised."""
        if self._pool is None:
            function()
            return
        while len(self._waiting) >= self._most_waiting or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function))

    def close(self) -> None:
        """Wait for all that was submitted; raises what the first of them has raised, when all others are done."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        while self._waiting:
            self._waiting.popleft().result()
