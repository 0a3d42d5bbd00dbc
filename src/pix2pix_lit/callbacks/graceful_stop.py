"""Stops on Ctrl-C and on the signals of a cluster, with a checkpoint to resume from."""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.plugins.environments import SLURMEnvironment

from pix2pix_lit.callbacks.agreement import Agreement
from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.internals.lightning import (
    cluster_environment,
    finished_epochs,
    had_all_batches,
    reached_max_steps,
    validation_is_due,
    without_signal_handling,
)
from pix2pix_lit.runs.rank import started_by_first_rank
from pix2pix_lit.runs.stopping import STOPPING, RunStopped, stop_at_once

log = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], Any]

_NOTHING, _INTERRUPT, _TERMINATE, _HAND_ON = range(4)  # the highest one wins
_SIGNALS = {_INTERRUPT: signal.SIGINT, _TERMINATE: signal.SIGTERM}


class GracefulStop(L.Callback):
    """Ends the run on a signal after the current batch, with a checkpoint from which it resumes exactly.

    It waits for the end of the batch because the discriminator may already be updated and the generator not. Ctrl-C and
    SIGTERM stop the run; a second Ctrl-C stops at once, without a checkpoint. For a signal that has another handler
    (submitit's for SIGUSR2), the checkpoint is written and that handler is called; if it returns, training continues.
    Under SLURM with Lightning's ``auto_requeue``, its signal requeues the job.

    All processes stop after the same batch, whichever of them received the signal: Lightning's own handler, which sends
    messages between processes while a step is sending its own, hangs (Lightning issue 20806). A validation is
    interrupted, and repeated by the resumed run; only the last one, after ``trainer.max_steps``, is completed.
    Callbacks that come later in ``configs/callbacks`` do not see the end of that batch.

    Args:
        path: the checkpoint file to write.
        every_n_steps: batches after which several processes agree on whether to stop.

    Raises:
        UserError: if that is below 1.
    """

    def __init__(self, path: FilePath, every_n_steps: int = 1) -> None:
        check_integer("callbacks.stop.every_n_steps", every_n_steps, 1)
        self.path = path
        self.every_n_steps = every_n_steps
        self._received: set[int] = set()
        self._former: dict[int, Any] = {}
        self._common_val_batches = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        without_signal_handling(trainer)
        self._agreement = Agreement(trainer)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._received.clear()
        self._former.clear()
        self._hand_on: dict[int, Handler] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            former = signal.getsignal(number)
            ours = former in (stop_at_once, signal.default_int_handler)
            if callable(former) and not ours:
                self._hand_on[number] = former
            elif number == _requeue_signal(trainer):
                self._hand_on[number] = _requeue
            elif number not in STOPPING or former == signal.SIG_IGN:  # ignored by nohup
                continue
            self._former[number] = signal.signal(number, self._receive)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps != 0 or reached_max_steps(trainer):
            return
        # Without a validation, the end of the epoch follows; Lightning cannot resume between the two.
        if not had_all_batches(trainer) or validation_is_due(trainer):
            self._stop_if_asked(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._common_val_batches = self._agreement.lowest(int(sum(trainer.num_val_batches)))

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        # Processes may have different numbers of batches, and cannot communicate after their last one.
        if not trainer.sanity_checking and batch_idx < self._common_val_batches and not reached_max_steps(trainer):
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if (
            not trainer.should_stop
            and not reached_max_steps(trainer)
            and finished_epochs(trainer) != trainer.max_epochs
        ):
            self._stop_if_asked(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._restore_handlers()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number not in self._hand_on:
            if number in self._received:
                stop_at_once(number, frame)
            if not started_by_first_rank():
                # Not by logging, whose stream may be in the middle of a line.
                os.write(2, b"\nStopping after this batch; press Ctrl-C again to stop without a checkpoint\n")
        self._received.add(number)

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        received = frozenset(self._received)
        wish = _NOTHING
        if received:
            wish = (
                _HAND_ON
                if received & self._hand_on.keys()
                else max(kind for kind, number in _SIGNALS.items() if number in received)
            )
        wish = self._agreement.highest(wish)
        if wish == _NOTHING:
            return
        trainer.save_checkpoint(self.path, weights_only=False)
        if wish == _HAND_ON:
            for number in received & self._hand_on.keys():
                self._received.discard(number)
                log.info("%s after %d batches: saved %s", signal.Signals(number).name, trainer.global_step, self.path)
                self._hand_on[number](number, None)
            return
        number = _SIGNALS[wish]
        log.info(
            "Stopped by %s after %d batches; the run can be resumed from %s",
            number.name,
            trainer.global_step,
            self.path,
        )
        raise RunStopped(number, together=True)

    def _restore_handlers(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former.clear()


def _requeue_signal(trainer: L.Trainer) -> int | None:
    """The signal on which Lightning would requeue a SLURM job."""
    environment = cluster_environment(trainer)
    if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
        return environment.requeue_signal
    return None


def _requeue(number: int, frame: FrameType | None) -> None:
    if os.environ.get("SLURM_PROCID", "0") == "0":
        job = os.environ["SLURM_JOB_ID"]
        if "SLURM_ARRAY_JOB_ID" in os.environ:
            job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        subprocess.run(["scontrol", "requeue", job], check=True)
