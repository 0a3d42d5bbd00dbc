"""Images per second, and the share of time spent waiting for data."""

import time
from typing import Any

import lightning as L

from pix2pix_lit.checks import check_integer
from pix2pix_lit.data.loader import PairLoader


class Throughput(L.Callback):
    """Logs ``speed/images_per_second``, the training images of all devices over the time since the last value.

    The time includes waiting for data and other callbacks between batches, but not validation. The share of it, 0 to 1,
    in which this process waited for the next batch of a ``PairLoader`` is ``speed/waiting_for_data``.

    Args:
        every_n_steps: batches between two values.

    Raises:
        UserError: if ``every_n_steps`` is below 1.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        check_integer("callbacks.throughput.every_n_steps", every_n_steps, 1)
        self.every_n_steps = every_n_steps
        self._restart()

    def _restart(self) -> None:
        self._images = 0
        self._start: float | None = None
        self._waited = 0.0  # seconds by the loader's count

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._start is None:
            self._start = time.perf_counter()
            self._waited = _waited_seconds(trainer)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch["input"]) * trainer.world_size
        if trainer.global_step % self.every_n_steps == 0 and self._start is not None:
            now, waited = time.perf_counter(), _waited_seconds(trainer)
            pl_module.log("speed/images_per_second", self._images / (now - self._start), prog_bar=True)
            if isinstance(trainer.train_dataloader, PairLoader):
                pl_module.log("speed/waiting_for_data", (waited - self._waited) / (now - self._start))
            self._images, self._start, self._waited = 0, now, waited

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._restart()


def _waited_seconds(trainer: L.Trainer) -> float:
    loader = trainer.train_dataloader
    return loader.waited_seconds if isinstance(loader, PairLoader) else 0.0
