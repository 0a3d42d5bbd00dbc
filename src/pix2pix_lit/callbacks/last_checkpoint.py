"""The checkpoint that a run is resumed from."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.internals.lightning import had_all_batches, validation_is_due


def validation_metrics(trainer: L.Trainer) -> dict[str, float]:
    """The results of the latest validation in this process."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every ``every_n_steps`` batches, and at the end of every epoch and of the run.

    If a validation follows a batch, the checkpoint is written after the validation, with its results.
    ``former_metrics`` are those that a resumed run started with.

    Args:
        path: the file.
        every_n_steps: batches between two checkpoints within an epoch; 0 for none.

    Raises:
        UserError: if ``every_n_steps`` is negative.
    """

    def __init__(self, path: FilePath, every_n_steps: int = 1000) -> None:
        super().__init__()
        check_integer("callbacks.last.every_n_steps", every_n_steps, 0)
        self.path = path
        self.every_n_steps = every_n_steps
        self._saved_step = -1
        self.former_metrics: dict[str, float] = {}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._is_due(trainer) and not validation_is_due(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking and self._is_due(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._saved_step != trainer.global_step:
            self._save(trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["validation_metrics"] = self.former_metrics | validation_metrics(trainer)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.former_metrics = checkpoint.get("validation_metrics", {})

    def _is_due(self, trainer: L.Trainer) -> bool:
        every = self.every_n_steps
        return every > 0 and trainer.global_step % every == 0 and not had_all_batches(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        self._saved_step = trainer.global_step
        trainer.save_checkpoint(self.path, weights_only=False)
