"""Where in a run a checkpoint was taken, written so that Lightning goes on exactly there.

Lightning tells from the counters in a checkpoint which of its hooks it was saved in, and does not get it right in some:
it skips a validation that was due after the last batch, trains on in an epoch that was over, or takes an epoch that
``max_steps`` cut short for a whole one. The counters that are written here need no such guess.
"""

from typing import Any

import lightning as L


def validation_is_due(trainer: L.Trainer) -> bool:
    """Whether a validation follows the batch whose end hooks run now."""
    loop = trainer.fit_loop.epoch_loop
    if not loop._should_check_val_epoch():
        return False
    # The module asks for a validation when max_steps are reached, but after the hooks of callbacks.
    fetcher = trainer.fit_loop._data_fetcher
    return reached_max_steps(trainer) or (fetcher is not None and loop._should_check_val_fx(fetcher))


def reached_max_steps(trainer: L.Trainer) -> bool:
    """Whether ``trainer.max_steps`` allows no other batch."""
    return 0 <= trainer.max_steps <= trainer.global_step


def had_all_batches(trainer: L.Trainer) -> bool:
    """Whether the batch whose end hooks run now, or ran last, is its epoch's last."""
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()


def whole_epochs(trainer: L.Trainer) -> int:
    """Epochs of which every batch was trained."""
    return _epochs(trainer).processed - _was_cut_short(trainer)


def epoch_number(trainer: L.Trainer) -> int:
    """Number of the epoch that was begun last, from 1."""
    return _epochs(trainer).started


def write_loop_progress(trainer: L.Trainer, checkpoint: dict[str, Any]) -> None:
    """Correct the counters of a checkpoint that is about to be written, in any hook of training or validation.

    Resumed, it goes on with a validation that was due or under way, from that one's first batch; else with the next
    batch of the epoch, or the first of the next one.

    Args:
        trainer: the one that trains.
        checkpoint: what it is going to write; changed in place.
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
        # Of which the first batch was begun: what makes _TrainingEpochLoop.advance() return to it.
        validation = counters["epoch_loop.val_loop.batch_progress"]
        for part in ("total", "current"):
            validation[part] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        validation["is_last_batch"] = False


def _epochs(trainer: L.Trainer) -> Any:
    return trainer.fit_loop.epoch_progress.current


def _was_counted(trainer: L.Trainer) -> bool:
    """Whether Lightning has counted the epoch that was begun last as over."""
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
