"""Stops a diverged run before it overwrites a good checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor

from pix2pix_lit.callbacks.agreement import Agreement
from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.errors import UserError, first_few


class _Step(NamedTuple):
    number: int  # batches trained, with this one
    names: list[str]
    losses: Mapping[str, Tensor]


class TerminateOnNaN(L.Callback):
    """Ends the run if a loss or a weight is NaN or infinite, and names the step and its pairs.

    Losses are checked every ``every_n_steps`` batches, since each check waits for the GPU; on the CPU, every batch.
    Before a checkpoint is written, the weights and running statistics are checked as well: all numbers in a checkpoint
    are finite.

    With the gradient scaler of ``trainer.precision=16-mixed``, infinite losses are expected: it skips the step and
    lowers the scale. Then only the weights are checked, and whether the scale has become too small to train with.

    Args:
        checkpoint: the file that a run is resumed from, named in the message.
        every_n_steps: batches between two checks on a GPU.

    Raises:
        UserError: if ``every_n_steps`` is below 1, and in every process if any of them finds such a number.
    """

    SMALLEST_SCALE = 1e-4
    """Smallest plausible scale of a gradient scaler, which starts at 65536 and is halved after each overflow."""

    def __init__(self, checkpoint: FilePath, every_n_steps: int = 50) -> None:
        check_integer("callbacks.terminate_on_nan.every_n_steps", every_n_steps, 1)
        self.checkpoint = Path(checkpoint)
        self.every_n_steps = every_n_steps
        self._steps: list[_Step] = []
        self._before: _Step | None = None  # the step before the first of them

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._agreement = Agreement(trainer)
        self._steps, self._before = [], None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._steps.append(_Step(trainer.global_step, list(batch["name"]), outputs))
        if pl_module.device.type == "cpu" or trainer.global_step % self.every_n_steps == 0:
            self._check(trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._check(trainer, checkpoint["state_dict"])

    def _check(self, trainer: L.Trainer, weights: Mapping[str, Tensor] | None = None) -> None:
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        found = self._broken_step() if scaler is None else self._broken_scale(scaler)
        if found is None and weights is not None:
            found = self._broken_weights(weights)
        found = self._agreement.first(found)
        if found is not None:
            kept = f"{self.checkpoint} is from before" if self.checkpoint.exists() else "No checkpoint has been written"
            raise UserError(
                f"{found}; expected finite numbers. {kept}. Look at these pairs, lower the learning rates "
                f"(model.generator_optimizer.lr, model.discriminator_optimizer.lr), limit the gradients "
                f"(model.gradient_clip.generator=1 model.gradient_clip.discriminator=1), or use "
                f"trainer.precision=32-true"
            )
        if self._steps:
            self._before = self._steps[-1]._replace(losses={})
            self._steps.clear()

    def _broken_step(self) -> str | None:
        losses = [loss for step in self._steps for loss in step.losses.values()]
        if not losses or torch.stack([loss.detach().float() for loss in losses]).isfinite().all():
            return None
        before = self._before
        for step in self._steps:
            broken = [f"{name}={float(loss)}" for name, loss in step.losses.items() if not loss.isfinite().all()]
            if broken:
                said = f"{', '.join(broken)} in step {step.number}, on {first_few(step.names)}"
                return said if before is None else f"{said} (the step before was on {first_few(before.names)})"
            before = step
        return None

    def _broken_weights(self, weights: Mapping[str, Tensor]) -> str | None:
        floats = {name: value for name, value in weights.items() if value.is_floating_point()}
        # The sum of finite numbers is finite (short of an overflow): one number to check per tensor.
        sums = [value.detach().float().sum() for value in floats.values()]
        if not sums or torch.stack(sums).isfinite().all():
            return None
        broken = [name for name, value in floats.items() if not value.isfinite().all()]
        last = self._steps[-1] if self._steps else self._before
        if not broken or last is None:
            return f"{first_few(broken)} hold NaN or infinity" if broken else None
        return (
            f"the gradients of step {last.number}, on {first_few(last.names)}, were not finite: now "
            f"{first_few(broken)} hold NaN or infinity"
        )

    def _broken_scale(self, scaler: Any) -> str | None:
        scale = scaler.get_scale()
        if scale >= self.SMALLEST_SCALE:
            return None
        last = self._steps[-1] if self._steps else self._before
        where = f" in step {last.number}, on {first_few(last.names)}" if last else ""
        return f"the gradient scale of trainer.precision=16-mixed has collapsed to {scale:.1e}{where}"
