"""The order in which pairs are seen, a pure function of (seed, epoch, rank); a loader that can start midway."""

import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset, Sampler

from pix2pix_lit.data.dataset import Batch, Draw
from pix2pix_lit.data.isolated_loader import IsolatedLoader
from pix2pix_lit.errors import UserError

# Workers are the parallelism. Threads of OpenCV's own would fight them, and a process that is forked while they exist
# waits for ever for those that it did not inherit.
cv2.setNumThreads(0)

_SECONDS_AFTER_SIGTERM = 30


class EpochSampler(Sampler[list[Draw]]):
    """Yields batches of draws; Lightning calls ``set_epoch`` before each epoch.

    All processes shuffle alike and take every ``world_size``-th pair, so that the batches of all ranks together
    are the batch that one process would see at ``world_size`` times the batch size. Training drops what does not
    fill a batch; validation (``shuffle=False``) keeps every pair exactly once, even if ranks then get unequal
    numbers.

    Args:
        length: number of pairs.
        batch_size: pairs a batch on each process.
        shuffle: a new order every epoch and full batches only, or the plain order and all of it.
        seed: of the shuffling.
        rank: this process.
        world_size: number of processes.

    Raises:
        UserError: if training would not fill one batch, or a process would have no validation pair.
    """

    def __init__(
        self, length: int, batch_size: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if shuffle and length < batch_size * world_size:
            raise UserError(
                f"{length} training pairs do not fill one batch of data.batch_size={batch_size} on each of "
                f"{world_size} process(es): lower data.batch_size, or check data.root for missing pairs"
            )
        if length < world_size:
            raise UserError(
                f"{length} validation pairs are too few for {world_size} processes; expected one for each at least: "
                f"lower trainer.devices, or check data.root for missing pairs"
            )
        self.length = length
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._resume_at = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch's order and augmentation the next iteration has."""
        self.epoch = epoch

    def resume_at(self, epoch: int, batch: int) -> None:
        """Make an iteration of this epoch start with this batch; all other epochs start with their first."""
        self._resume_at = (epoch, batch)

    @property
    def described(self) -> dict[str, int]:
        """What the order of an epoch depends on."""
        return {
            "pairs": self.length,
            "data.batch_size": self.batch_size,
            "processes": self.world_size,
            "data.seed": self.seed,
        }

    @property
    def first_batch(self) -> int:
        """The batch that an iteration starts with now."""
        epoch, batch = self._resume_at
        return batch if epoch == self.epoch else 0

    def __len__(self) -> int:
        """Batches an epoch on this process."""
        if self.shuffle:
            return self.length // self.world_size // self.batch_size
        return -(-len(range(self.rank, self.length, self.world_size)) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        """The epoch's batches from ``first_batch`` on."""
        epoch = self.epoch
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        own = order[self.rank :: self.world_size]
        for batch in range(self.first_batch, len(self)):
            indices = own[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [Draw(epoch, int(index)) for index in indices]


class PairLoader(IsolatedLoader[Batch]):
    """A DataLoader over ``EpochSampler`` batches whose position is part of a checkpoint.

    Lightning stores ``state_dict`` with the loops and gives it back on resume, so that a run stopped in the middle
    of an epoch goes on with the pairs that it has not seen yet. ``waited_seconds`` is the time that the training
    process has waited for batches.

    Args:
        dataset: answers a list of draws with a batch.
        sampler: the order.
        num_workers: processes that prepare batches; 0 prepares them in the training process.
        prefetch: batches that every such process prepares ahead.
        pin_memory: for a GPU's faster transfers.
    """

    def __init__(
        self, dataset: Dataset[Batch], sampler: EpochSampler, num_workers: int, prefetch: int, pin_memory: bool
    ) -> None:
        super().__init__(
            dataset,
            num_workers,
            sampler.seed,
            sampler=sampler,  # which yields whole batches
            prefetch_factor=prefetch if num_workers else None,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            worker_init_fn=_leave_signals_to_the_trainer,
        )
        self.order = sampler
        self.waited_seconds = 0.0
        self._batches_given = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # A generator starts at the first next(), after Lightning has called set_epoch; workers start later still.
        self._batches_given = self.order.first_batch
        start = time.perf_counter()
        for batch in super().__iter__():
            self.waited_seconds += time.perf_counter() - start
            self._batches_given += 1
            yield batch
            start = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """The epoch, how many of its batches the trainer has been given (0 once it has had all), and what of."""
        return {
            "epoch": self.order.epoch,
            "batches_given": self._batches_given % max(len(self), 1),
            "order": self.order.described,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iteration start where ``state`` was taken.

        Raises:
            UserError: if that was in the middle of an epoch of another order, which cannot be continued, or if
                ``state`` is none.
        """
        if any(type(state.get(name)) is not int for name in ("epoch", "batches_given")):
            raise UserError(
                f"the checkpoint says {state} of its place in the data; expected an epoch and a number of batches: get "
                f"an intact copy, or go on from the checkpoint saved before it"
            )
        if state["batches_given"] and state.get("order") != self.order.described:
            raise UserError(
                f"the checkpoint was saved in the middle of an epoch with {state.get('order')}, and this run has "
                f"{self.order.described}; expected the same, since a place in one order means nothing in another: "
                f"repeat the overrides of its run, or go on from a checkpoint saved at the end of an epoch"
            )
        self.order.resume_at(state["epoch"], state["batches_given"])
        self._batches_given = state["batches_given"]


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ctrl-C and a cluster's signals reach all processes at once, and the trainer still wants the batches it asked for.

    Handlers are inherited by a forked worker, too, which has no business with them.
    """
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_later)


def _end_later(number: int, frame: FrameType | None) -> None:
    # The trainer may have got it too, and be busy with its last batch. Told a second time, the worker ends at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_SECONDS_AFTER_SIGTERM)
