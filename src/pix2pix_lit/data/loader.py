"""Sampling order, a pure function of (seed, epoch, rank), and a loader that resumes in the middle of an epoch."""

import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset, Sampler

from pix2pix_lit.data.dataset import Batch, PairIndex
from pix2pix_lit.data.isolated_loader import IsolatedLoader
from pix2pix_lit.errors import UserError

# Workers provide the parallelism. OpenCV's threads would compete with them, and a process forked while these threads
# exist deadlocks waiting for them.
cv2.setNumThreads(0)

_SECONDS_AFTER_SIGTERM = 30


class EpochSampler(Sampler[list[PairIndex]]):
    """Yields batches of indices; Lightning calls ``set_epoch`` before each epoch.

    All processes compute the same order and take every ``world_size``-th pair: together, the batches of all ranks are
    the batch that one process would get at ``world_size`` times the batch size. Training drops the last, incomplete
    batch; validation (``shuffle=False``) sees every pair exactly once, even if ranks get unequal numbers.

    Args:
        length: number of pairs.
        batch_size: pairs per batch on each process.
        shuffle: true for a new order every epoch and full batches only, false for the original order and all pairs.
        seed: of the shuffling.
        rank: this process.
        world_size: number of processes.

    Raises:
        UserError: if the training pairs do not fill one batch, or a process would have no validation pair.
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
                f"{length} validation pairs are too few for {world_size} processes; expected at least one for each: "
                f"lower trainer.devices, or check data.root for missing pairs"
            )
        self.length = length
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self._resume_at = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines order and augmentation of the next iteration."""
        self.epoch = epoch

    def resume_at(self, epoch: int, batch: int) -> None:
        """Make an iteration of this epoch start with this batch; all other epochs start with their first."""
        self._resume_at = (epoch, batch)

    @property
    def described(self) -> dict[str, int]:
        """The settings that determine the order of an epoch."""
        return {
            "pairs": self.length,
            "data.batch_size": self.batch_size,
            "processes": self.world_size,
            "data.seed": self.seed,
        }

    @property
    def first_batch(self) -> int:
        """The batch that the next iteration starts with."""
        epoch, batch = self._resume_at
        return batch if epoch == self.epoch else 0

    def __len__(self) -> int:
        """Batches per epoch on this process."""
        if self.shuffle:
            return self.length // self.world_size // self.batch_size
        return -(-len(range(self.rank, self.length, self.world_size)) // self.batch_size)

    def __iter__(self) -> Iterator[list[PairIndex]]:
        """The epoch's batches from ``first_batch`` on."""
        epoch = self.epoch
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        own = order[self.rank :: self.world_size]
        for batch in range(self.first_batch, len(self)):
            indices = own[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [PairIndex(epoch, int(index)) for index in indices]


class PairLoader(IsolatedLoader[Batch]):
    """A DataLoader over the batches of an ``EpochSampler`` that stores its position in checkpoints.

    Lightning saves ``state_dict`` with the loops and restores it on resume: a run stopped in the middle of an epoch
    resumes with the pairs that it has not seen yet. ``waited_seconds`` is the time that the training process has spent
    waiting for batches.

    Args:
        dataset: maps a list of indices to a batch.
        sampler: the order.
        num_workers: processes that load batches; 0 loads them in the training process.
        prefetch: batches that every worker loads ahead.
        pin_memory: use pinned memory, for faster transfers to a GPU.
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
        """The epoch, the number of its batches yielded so far (0 after the last), and the settings of the order."""
        return {
            "epoch": self.order.epoch,
            "batches_given": self._batches_given % max(len(self), 1),
            "order": self.order.described,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iteration start where ``state`` was saved.

        Raises:
            UserError: if it was saved in the middle of an epoch of another order, which cannot be resumed, or if
                ``state`` is malformed.
        """
        if any(type(state.get(name)) is not int for name in ("epoch", "batches_given")):
            raise UserError(
                f"the checkpoint's position in the data is {state}; expected an epoch and a number of batches: get an "
                f"intact copy, or resume from the checkpoint saved before it"
            )
        if state["batches_given"] and state.get("order") != self.order.described:
            raise UserError(
                f"the checkpoint was saved in the middle of an epoch with {state.get('order')}, and this run has "
                f"{self.order.described}; expected the same, since a position in one order has no meaning in another: "
                f"repeat the overrides of its run, or resume from a checkpoint saved at the end of an epoch"
            )
        self.order.resume_at(state["epoch"], state["batches_given"])
        self._batches_given = state["batches_given"]


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ignore signals in workers: Ctrl-C and a cluster's signals reach all processes, but the trainer still needs its
    prefetched batches.

    A forked worker would also inherit the handlers of the trainer.
    """
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_later)


def _end_later(number: int, frame: FrameType | None) -> None:
    # The trainer may have received it too and be finishing its last batch. A second signal ends the worker at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_SECONDS_AFTER_SIGTERM)
