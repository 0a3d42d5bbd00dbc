"""The private names of Lightning that this package uses, each behind a function with a plain name.

Most are about loop progress, the counters in a checkpoint from which Lightning infers in which hook it was saved. Some
of this it infers wrongly: it skips a validation that was due after the last batch, continues an epoch that was over, or
takes an epoch that ``max_steps`` ended early for a complete one. The counters written here are unambiguous.
"""

from typing import Any

import lightning as L
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed as set_num_threads
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher as MultiProcessingLauncher
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher as SubprocessScriptLauncher

__all__ = [
    "MultiProcessingLauncher",
    "SubprocessScriptLauncher",
    "cluster_environment",
    "correct_loop_progress",
    "epoch_number",
    "finished_epochs",
    "had_all_batches",
    "is_restoring",
    "leave_out_of_step_count",
    "log_at_global_step",
    "reached_max_steps",
    "replace_launcher",
    "set_num_threads",
    "validation_is_due",
    "without_signal_handling",
]


def validation_is_due(trainer: L.Trainer) -> bool:
    """Whether a validation follows the batch whose end hooks run now."""
    loop = trainer.fit_loop.epoch_loop
    if not loop._should_check_val_epoch():
        return False
    # The module asks for a validation when max_steps are reached, but after the hooks of callbacks.
    fetcher = trainer.fit_loop._data_fetcher
    return reached_max_steps(trainer) or (fetcher is not None and loop._should_check_val_fx(fetcher))


def reached_max_steps(trainer: L.Trainer) -> bool:
    """Whether ``trainer.max_steps`` allows no further batch."""
    return 0 <= trainer.max_steps <= trainer.global_step


def had_all_batches(trainer: L.Trainer) -> bool:
    """Whether the batch whose end hooks run now, or ran last, is the last of its epoch."""
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()


def finished_epochs(trainer: L.Trainer) -> int:
    """Number of epochs of which every batch was trained."""
    return _epochs(trainer).processed - _was_cut_short(trainer)


def epoch_number(trainer: L.Trainer) -> int:
    """Number of the epoch that was started last, from 1."""
    return _epochs(trainer).started


def correct_loop_progress(trainer: L.Trainer, checkpoint: dict[str, Any]) -> None:
    """Correct the counters of a checkpoint that is about to be written, in any hook of training or validation.

    A run resumed from it continues with the validation that was due or under way, from its first batch; otherwise with
    the next batch of the epoch, or the first batch of the next epoch.

    Args:
        trainer: that is training.
        checkpoint: that it is about to write; changed in place.
    """
    counters = checkpoint["loops"]["fit_loop"]
    epochs, batches = counters["epoch_progress"], counters["epoch_loop.batch_progress"]
    over = _was_counted(trainer) and not _was_cut_short(trainer)
    for part in ("total", "current"):
        batches[part]["completed"] = batches[part]["processed"]
        epochs[part]["processed"] = epochs[part]["completed"] = epochs[part]["started"] - (not over)
    checkpoint["epoch"] = epochs["current"]["completed"]  # for people; Lightning's is one lower at the end of an epoch
    if over:
        batches["current"] = dict.fromkeys(batches["current"], 0)
        batches["is_last_batch"] = False
    elif _validation_is_unfinished(trainer):
        # As if its first batch had been started: this makes _TrainingEpochLoop.advance() return to it.
        validation = counters["epoch_loop.val_loop.batch_progress"]
        for part in ("total", "current"):
            validation[part] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        validation["is_last_batch"] = False


def log_at_global_step(trainer: L.Trainer) -> None:
    """Make ``global_step`` the x axis of the loggers: Lightning's own count is one off after some ways to resume."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step


def leave_out_of_step_count(trainer: L.Trainer, optimizer: LightningOptimizer) -> None:
    """Keep the next step of one of several optimizers from counting in ``global_step``.

    To be called for every batch, since Lightning sets both hooks before each (Lightning issue 17958).
    """
    profiler = trainer.profiler  # type: ignore[attr-defined]
    optimizer._on_before_step = lambda: profiler.start("optimizer_step")
    optimizer._on_after_step = lambda: profiler.stop("optimizer_step")


def is_restoring(trainer: L.Trainer) -> bool:
    """Whether the trainer has read a checkpoint and not yet restored all of it."""
    return bool(trainer._checkpoint_connector._loaded_checkpoint)


def without_signal_handling(trainer: L.Trainer) -> None:
    """Keep a trainer from handling signals.

    Its SIGTERM handler sends messages between processes while others are in progress, which hangs (Lightning issue
    20806). It also makes every batch begin with a message and a wait for the GPU.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]


def cluster_environment(trainer: L.Trainer) -> ClusterEnvironment:
    """The environment that started the processes, even if a single-device strategy does not store it."""
    return trainer._accelerator_connector.cluster_environment


def replace_launcher(strategy: Strategy, launcher: SubprocessScriptLauncher) -> None:
    """Replace the launcher with which a strategy starts its processes."""
    strategy._launcher = launcher


def _epochs(trainer: L.Trainer) -> Any:
    return trainer.fit_loop.epoch_progress.current


def _was_counted(trainer: L.Trainer) -> bool:
    """Whether Lightning has counted the latest epoch as completed."""
    return _epochs(trainer).processed == _epochs(trainer).started


def _was_cut_short(trainer: L.Trainer) -> bool:
    begun = trainer.fit_loop.epoch_loop.batch_progress.current.ready > 0
    return _was_counted(trainer) and begun and not had_all_batches(trainer)


def _validation_is_unfinished(trainer: L.Trainer) -> bool:
    loop = trainer.fit_loop.epoch_loop
    if trainer.validating:
        return loop.val_loop.batch_progress.current.completed < sum(loop.val_loop.max_batches)
    batches: Any = loop.batch_progress.current
    return batches.completed < batches.processed and validation_is_due(trainer)
