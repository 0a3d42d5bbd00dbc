"""Sample grids of the same validation pairs during training."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from pix2pix_lit.checks import FilePath
from pix2pix_lit.errors import NotFiniteError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.grid import Group, draw_grid
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.inference import Translator
from pix2pix_lit.internals.lightning import epoch_number

log = logging.getLogger(__name__)


class SampleGrid(L.Callback):
    """Draws ``input | generated | target`` of the same validation pairs, in inference mode, after every validation.

    Without validation, a grid is drawn after every epoch; every run ends with one. Each grid is written to ``folder``
    as a PNG named after its step and, with a TensorBoard logger, shown in its Images tab.

    Args:
        folder: for the PNG files.
        count: number of pairs, spread evenly over the validation split.
    """

    def __init__(self, folder: FilePath, count: int = 4) -> None:
        self.folder = Path(folder)
        self.count = count
        self._last_step = -1

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._last_step = -1

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._draw(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if sum(trainer.num_val_batches) == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, pl_module)

    def _draw(self, trainer: L.Trainer, pl_module: Any) -> None:
        step = trainer.global_step
        if not trainer.is_global_zero or step == self._last_step:
            return
        self._last_step = step
        samples = trainer.datamodule.val_samples(self.count)  # type: ignore[attr-defined]
        translator = Translator(pl_module.inference_generator, pl_module.input_type, pl_module.target_type)
        try:
            with trainer.precision_plugin.forward_context():
                generated = translator(samples["input"])
        except NotFiniteError as error:  # TerminateOnNaN ends the run at its next check
            log.warning("No sample grid of step %d: %s", step, error)
            return
        columns = {
            "input": _pictures(samples["input"], pl_module.input_type),
            "generated": _pictures(generated, pl_module.target_type),
            "target": _pictures(samples["target"], pl_module.target_type),
        }
        rows = [dict(zip(columns, images, strict=True)) for images in zip(*columns.values(), strict=True)]
        grid = draw_grid(
            [Group(name, [row]) for name, row in zip(samples["name"], rows, strict=True)],
            heading=f"epoch {epoch_number(trainer)}, step {step}",
        )
        write_image(self.folder / f"step_{step:07d}.png", grid)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("samples", grid, global_step=step, dataformats="HWC")


def _pictures(batch: Tensor, image_type: ImageType) -> list[np.ndarray]:
    """(N, planes, H, W) -> N arrays of (H, W, 3) uint8 RGB."""
    return [image_type.picture(image) for image in batch.permute(0, 2, 3, 1).numpy()]
