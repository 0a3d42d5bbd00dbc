"""Progress of the run: a bar on a terminal, regular log lines anywhere else."""

import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from pix2pix_lit.callbacks.last_checkpoint import validation_metrics
from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.lightning import epoch_number
from pix2pix_lit.runs.result import format_metrics

log = logging.getLogger(__name__)

_BAR_SECONDS = 0.5  # between two updates of the bar


class RunProgressBar(ProgressBar):
    """Shows epoch, step, time left and losses; logs the metrics of every validation.

    One bar covers the entire run and starts where a resumed run does. It is drawn on standard error if that is a
    terminal; otherwise, as under ``nohup``, the same values are logged in a line at regular intervals.

    Args:
        every_n_seconds: between two such lines.

    Raises:
        UserError: unless ``every_n_seconds`` is above 0.
    """

    def __init__(self, every_n_seconds: float = 60.0) -> None:
        super().__init__()
        if not every_n_seconds > 0:
            raise UserError(f"callbacks.progress_bar.every_n_seconds is {every_n_seconds}; expected more than 0")
        self.every_n_seconds = every_n_seconds
        self._enabled = True
        self._bar: tqdm | None = None

    def enable(self) -> None:
        """Called by the trainer, which also calls ``disable`` in all processes except the first."""
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._first_step = trainer.global_step
        self._steps, self._epochs = planned_steps(trainer), _planned_epochs(trainer)
        self._start = self._shown = time.monotonic()
        if not self._enabled:
            return
        log.info(_plan(trainer, self._steps, self._epochs))
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=self._steps,
                initial=self._first_step,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}",
            )
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._make_way)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._show_if_due(trainer, self._epoch(trainer))

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not trainer.sanity_checking:
            self._show_if_due(trainer, f"validation {batch_idx + 1}/{sum(trainer.num_val_batches):.0f}")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or not self._enabled:
            return
        metrics = format_metrics(validation_metrics(trainer))
        log.info("%s, step %d: %s", self._epoch(trainer), trainer.global_step, metrics)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._bar is not None:
            self._draw(self._bar, trainer, self._epoch(trainer))

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._close()

    def _show_if_due(self, trainer: L.Trainer, what: str) -> None:
        now = time.monotonic()
        if not self._enabled or now - self._shown < (_BAR_SECONDS if self._bar is not None else self.every_n_seconds):
            return
        self._shown = now
        if self._bar is not None:
            self._draw(self._bar, trainer, what)
        else:
            log.info(self._line(trainer, what, now))

    def _draw(self, bar: "tqdm", trainer: L.Trainer, what: str) -> None:
        bar.n = trainer.global_step
        bar.set_description_str(what, refresh=False)
        bar.set_postfix_str(short_losses(trainer.progress_bar_metrics), refresh=False)
        bar.refresh()

    def _line(self, trainer: L.Trainer, what: str, now: float) -> str:
        step = trainer.global_step
        text = f"{what}, step {step}"
        if self._steps is not None:
            text += f" of {self._steps} ({100 * step // max(1, self._steps)} %)"
            if step > self._first_step:
                seconds = (now - self._start) * (self._steps - step) / (step - self._first_step)
                text += f", {tqdm.format_interval(seconds)} left"
        losses = short_losses(trainer.progress_bar_metrics)
        return f"{text}: {losses}" if losses else text

    def _epoch(self, trainer: L.Trainer) -> str:
        return f"epoch {epoch_number(trainer)}" + (f"/{self._epochs}" if self._epochs is not None else "")

    def _make_way(self, record: logging.LogRecord) -> bool:
        """A filter of log handlers that clears the bar before a line is written; the bar is soon redrawn below it."""
        if self._bar is not None:
            self._bar.clear()
        return True

    def _close(self) -> None:
        if self._bar is not None:
            for handler in logging.getLogger().handlers:
                handler.removeFilter(self._make_way)
            self._bar.close()
            self._bar = None


def planned_steps(trainer: L.Trainer) -> int | None:
    """The step at which a run that has just started or resumed will end; None if it has no limit."""
    limits = [trainer.max_steps] if trainer.max_steps >= 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0 and math.isfinite(trainer.num_training_batches):
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        batches = (trainer.max_epochs - trainer.current_epoch) * int(trainer.num_training_batches) - done
        limits.append(trainer.global_step + max(0, batches))
    return min(limits, default=None)


def short_losses(metrics: Mapping[str, Any]) -> str:
    """The losses among logged values, shortened for a terminal.

    The discriminator's is the mean over fake and real images; of the generator's terms, each is named by the first
    letters of its name.

    >>> short_losses({"loss/D_fake": 0.5, "loss/D_real": 0.7, "loss/G_adversarial": 0.69, "loss/G_reconstruction": 0.1})
    'D 0.6 adv 0.69 rec 0.1'
    """
    discriminator = [float(metrics[name]) for name in ("loss/D_fake", "loss/D_real") if name in metrics]
    short = {"D": sum(discriminator) / len(discriminator)} if discriminator else {}
    short |= {name[7:10]: float(value) for name, value in metrics.items() if name.startswith("loss/G_")}
    return " ".join(f"{name} {value:.3g}" for name, value in short.items())


def _planned_epochs(trainer: L.Trainer) -> int | None:
    steps = planned_steps(trainer)
    if steps is None or not math.isfinite(trainer.num_training_batches) or trainer.num_training_batches == 0:
        return None
    done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
    left = steps - trainer.global_step + done
    return trainer.current_epoch + math.ceil(left / trainer.num_training_batches)


def _plan(trainer: L.Trainer, steps: int | None, epochs: int | None) -> str:
    """The planned steps, and those that a resumed run has completed."""
    if steps is None or epochs is None:
        return f"steps: no limit is set; this is step {trainer.global_step}"
    text = f"steps: {steps} in {epochs} epoch{'s' * (epochs != 1)} of {trainer.num_training_batches}"
    if trainer.global_step > 0:
        text += f"; {trainer.global_step} are done, {steps - trainer.global_step} to come"
    return text
