"""Pictures of a fixed set of validation pairs, as training goes on."""

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from pix2pix_lit.image_type import ImageType
from pix2pix_lit.images import write_image
from pix2pix_lit.inference import Translator
from pix2pix_lit.sheet import draw_sheet


class SampleGrid(L.Callback):
    """Draws ``input | generated | target`` for the same validation pairs again and again, in inference mode.

    Every grid goes to ``folder`` as a PNG named after its step and, with a TensorBoard logger, to its Images tab.

    Args:
        folder: where the PNG files go.
        count: number of pairs, spread evenly over the validation split.
        every_n_epochs: epochs between two grids; 0 for none by epochs.
        every_n_steps: batches between two grids; 0 for none by steps. The last state is drawn in any case.
    """

    def __init__(self, folder: str, count: int = 4, every_n_epochs: int = 1, every_n_steps: int = 0) -> None:
        self.folder = Path(folder)
        self.count = count
        self.every_n_epochs = every_n_epochs
        self.every_n_steps = every_n_steps
        self._last_step = -1

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._last_step = -1

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            self._draw(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, pl_module)

    def _draw(self, trainer: L.Trainer, pl_module: Any) -> None:
        step = trainer.global_step
        if not trainer.is_global_zero or step == self._last_step:
            return
        self._last_step = step
        samples = trainer.datamodule.val_samples(self.count)  # type: ignore[attr-defined]
        with trainer.precision_plugin.forward_context():
            generated = Translator(pl_module.inference_generator, pl_module.input_type, pl_module.target_type)(
                samples["input"]
            )
        sheet = draw_sheet(
            {
                "input": _pictures(samples["input"], pl_module.input_type),
                "generated": _pictures(generated, pl_module.target_type),
                "target": _pictures(samples["target"], pl_module.target_type),
            }
        )
        write_image(self.folder / f"step_{step:07d}.png", sheet)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("samples", sheet, global_step=step, dataformats="HWC")


def _pictures(batch: Tensor, image_type: ImageType) -> list[np.ndarray]:
    """(N, planes, H, W) -> N arrays of (H, W, 3) uint8 RGB."""
    return [image_type.picture(image) for image in batch.permute(0, 2, 3, 1).numpy()]
