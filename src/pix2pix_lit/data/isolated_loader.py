"""The loader that all others are made of."""

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from pix2pix_lit.errors import UserError

T_co = TypeVar("T_co", covariant=True)


class IsolatedLoader(DataLoader[T_co]):
    """A DataLoader that leaves torch's global generator as it is, and tells if there is no shared memory for it.

    Each time torch's own is iterated, it draws its workers' seeds from the global generator: whatever draws next, such
    as initial weights, then depends on how many loaders there were before.

    Args:
        dataset: answers an index of the sampler with tensors, in lists, tuples and dictionaries, and other values.
        num_workers: processes that ask the data set; 0 asks it in this one.
        seed: of the workers' global generators.
        options: more arguments of DataLoader.
    """

    def __init__(self, dataset: Dataset[T_co], num_workers: int, seed: int = 0, **options: Any) -> None:
        generator = torch.Generator().manual_seed(seed)
        super().__init__(
            dataset, batch_size=None, num_workers=num_workers, generator=generator, collate_fn=_shared, **options
        )

    def __iter__(self) -> Iterator[T_co]:  # type: ignore[override]
        """What the data set answers.

        Raises:
            UserError: if a worker had no shared memory left for its answer.
        """
        try:
            yield from super().__iter__()
        except RuntimeError as error:
            if "Bus error" not in f"{error} {error.__cause__}":  # SIGBUS, for which torch has no class
                raise
            raise _no_room(error) from error


def _shared(answer: Any) -> Any:
    """In a worker, share what goes to the training process here: an error that torch meets later makes it hang."""
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
        f"a data worker found no room in shared memory for what it had made ({error}); expected some MiB for each of "
        f"data.num_workers: in a container raise its --shm-size, or set data.num_workers=0"
    )
