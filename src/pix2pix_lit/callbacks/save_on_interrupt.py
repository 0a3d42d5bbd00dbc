"""Ctrl-C without losing what was learnt."""

import logging
import signal
import threading
from typing import Any

import lightning as L

log = logging.getLogger(__name__)


class SaveOnInterrupt(L.Callback):
    """Ctrl-C ends the run after the batch that is under way, with a checkpoint that it can go on from exactly.

    Within a batch the discriminator may have moved and the generator not. A second Ctrl-C ends the run at once,
    without a checkpoint. Several processes would have to agree on the batch first: they are left to Lightning, which
    ends them at once.

    Args:
        path: the checkpoint file that is written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._requested = False
        self._former_handler: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._requested = False
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._former_handler = signal.signal(signal.SIGINT, self._request)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._requested:
            trainer.save_checkpoint(self.path, weights_only=False)
            raise KeyboardInterrupt

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._restore()

    def _request(self, signal_number: int, frame: Any) -> None:
        log.info("Stopping after this batch; press Ctrl-C again to stop at once, without a checkpoint")
        self._requested = True
        self._restore()

    def _restore(self) -> None:
        if self._former_handler is not None:
            signal.signal(signal.SIGINT, self._former_handler)
            self._former_handler = None
