"""Images per second."""

import time
from typing import Any

import lightning as L

from pix2pix_lit.errors import UserError


class Throughput(L.Callback):
    """Logs ``speed/images_per_second``, the training images of all devices over the time since the last value.

    The time includes waiting for data, and what other callbacks do between batches; validation is left out.

    Args:
        every_n_steps: batches between two values.

    Raises:
        UserError: if that is below 1.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise UserError(f"callbacks.throughput.every_n_steps is {every_n_steps}; expected 1 or more")
        self.every_n_steps = every_n_steps
        self._restart()

    def _restart(self) -> None:
        self._images = 0
        self._start: float | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._start is None:
            self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch["input"]) * trainer.world_size
        if trainer.global_step % self.every_n_steps == 0 and self._start is not None:
            now = time.perf_counter()
            pl_module.log("speed/images_per_second", self._images / (now - self._start), prog_bar=True)
            self._images, self._start = 0, now

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()
