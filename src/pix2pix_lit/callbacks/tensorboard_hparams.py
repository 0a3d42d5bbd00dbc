"""The HParams tab of TensorBoard."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from pix2pix_lit.errors import shown


class TensorBoardHParams(L.Callback):
    """Shows the hyper-parameters of model, data and trainer beside the run's validation metrics.

    The session names the scalars ``val/...`` as its metrics, of which TensorBoard shows the newest values, so that
    a run that is under way or was interrupted has its line too.
    """

    METRICS = ("val/l1", "val/psnr", "val/ssim")

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        values = _flatten(
            {
                "model": pl_module.hparams,
                "data": trainer.datamodule.hparams,  # type: ignore[attr-defined]
                "trainer": {
                    "precision": trainer.precision,
                    "devices": trainer.world_size,
                    "max_epochs": trainer.max_epochs,
                    "max_steps": trainer.max_steps,
                },
            }
        )
        experiment, start, _ = hparams(values, dict.fromkeys(self.METRICS, 0.0))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for summary in (experiment, start):
                    logger.experiment.file_writer.add_summary(summary)


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | bool | int | float]:
    """Nested names become ``model.generator.width``; values TensorBoard cannot hold become text."""
    flat: dict[str, str | bool | int | float] = {}
    for key, value in config.items():
        name = f"{prefix}{key}".removesuffix("._target_")
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, bool | int | float) else shown(value)
    return flat
