"""Threads that read ahead and write behind while the network runs.

Decoders and encoders release Python's lock while they work: threads are as fast as processes, and large images need not
be sent between processes.
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
    """``map(function, items)``, in order, computed in the background.

    Args:
        function: to call; its exceptions are raised here.
        items: its arguments.
        threads: number of threads; 0 computes each result on request.
        ahead: results to compute in advance, in addition to one per thread.
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
    """Calls functions in the background, in no particular order, and blocks its caller if too many calls are waiting.

    Args:
        threads: number of threads; 0 calls every function immediately, in this thread.
        most_waiting: limit on waiting calls; a further one blocks until the oldest is done.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "write") if threads else None
        self._most_waiting = most_waiting
        self._waiting: deque[Future[None]] = deque()

    def submit(self, function: Callable[[], None]) -> None:
        """Call ``function`` in the background; raises the exception of an earlier one."""
        if self._pool is None:
            function()
            return
        while len(self._waiting) >= self._most_waiting or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function))

    def close(self) -> None:
        """Wait for all functions; then raises the exception of the first that failed."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        while self._waiting:
            self._waiting.popleft().result()
