"""The HParams tab of TensorBoard."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from pix2pix_lit.errors import shown
from pix2pix_lit.metrics import logged
from pix2pix_lit.runs.overrides import WITHOUT_EFFECT


class TensorBoardHParams(L.Callback):
    """Shows the settings that results depend on, next to the run's validation metrics.

    Its metrics are the scalars ``val/...``, of which TensorBoard shows the latest values; runs that are still training
    or were interrupted are therefore listed too.

    Args:
        metrics: specs of metrics by name, None for those that are not measured.
        settings: nested names and values, without those in ``overrides.WITHOUT_EFFECT``.
    """

    def __init__(self, metrics: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.metrics = logged(metrics)
        self.settings = settings

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        experiment, start, _ = hparams(shown_settings(self.settings), dict.fromkeys(self.metrics, 0.0))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for summary in (experiment, start):
                    logger.experiment.file_writer.add_summary(summary)


def shown_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | bool | int | float]:
    """Nested names become ``model.generator.width``; values TensorBoard cannot hold become text."""
    flat: dict[str, str | bool | int | float] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}".removesuffix("._target_")
        if name in WITHOUT_EFFECT or key == "_partial_":
            continue
        if isinstance(value, Mapping):
            flat |= shown_settings(value, f"{name}.")
        elif key == "_target_":
            flat[name] = str(value).rpartition(".")[2]
        else:
            flat[name] = value if isinstance(value, bool | int | float) else shown(value)
    return flat
