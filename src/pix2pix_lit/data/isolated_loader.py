"""DataLoader without side effects on torch's global random state; base of the other loaders."""

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pix2pix_lit.errors import UserError

T_co = TypeVar("T_co", covariant=True)


class IsolatedLoader(DataLoader[T_co]):
    """A DataLoader that does not advance torch's global generator, and reports a lack of shared memory.

    torch's DataLoader draws the seeds of its workers from the global generator at every iteration: later random
    numbers, such as initial weights, then depend on how many loaders were iterated before.

    Args:
        dataset: maps an index of the sampler to tensors in lists, tuples and dictionaries, and other values.
        num_workers: processes that read the dataset; 0 reads it in this process.
        seed: of the workers' global generators.
        options: further arguments of DataLoader.
    """

    def __init__(self, dataset: Dataset[T_co], num_workers: int, seed: int = 0, **options: Any) -> None:
        generator = torch.Generator().manual_seed(seed)
        super().__init__(
            dataset, batch_size=None, num_workers=num_workers, generator=generator, collate_fn=_shared, **options
        )

    def __iter__(self) -> Iterator[T_co]:  # type: ignore[override]
        """The items of the dataset.

        Raises:
            UserError: if a worker ran out of shared memory.
        """
        try:
            yield from super().__iter__()
        except RuntimeError as error:
            if "Bus error" not in f"{error} {error.__cause__}":  # SIGBUS; torch has no exception class for it
                raise
            raise _no_room(error) from error


def _shared(answer: Any) -> Any:
    """In a worker, move tensors to shared memory here: an error that occurs later, within torch, makes it hang."""
    if get_worker_info() is None:
        return answer
    if isinstance(answer, torch.Tensor):
        try:
            return answer.share_memory_()
        except RuntimeError as error:
            raise _no_room(error) from error
    for part in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list | tuple) else ():
        _shared(part)
    return answer


def _no_room(error: Exception) -> UserError:
    return UserError(
        f"a data worker ran out of shared memory ({error}); expected some MiB for each of data.num_workers: in a "
        f"container raise its --shm-size, or set data.num_workers=0"
    )
