"""Compose the config, build the objects, fit; give a sweeper its objective."""

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from pix2pix_lit.cli import command
from pix2pix_lit.errors import UserError

if TYPE_CHECKING:
    import lightning as L

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Train as ``configs/train.yaml`` describes.

    Args:
        config: the composed config.

    Returns:
        The last value of the metric that ``config.objective`` names; None if the run was not validated, and in
        processes of a rank above 0.

    Raises:
        UserError: for data, values or a checkpoint that cannot be used, and if the objective is not finite.
    """
    # Imported here so that --help and a mistyped key answer at once.
    import lightning as L
    from hydra.utils import instantiate
    from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
    from lightning.pytorch.utilities import rank_zero_info

    from pix2pix_lit.checkpoint_io import AtomicCheckpointIO
    from pix2pix_lit.ddp_processes import end_ranks, launch_ranks_as_single_jobs

    _quieten_lightning()
    launch_ranks_as_single_jobs("pix2pix_lit.train")

    if not isinstance(config.seed, int) or config.seed < 0:
        raise UserError(f"seed is {config.seed}; expected a whole number, 0 or more")
    L.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.setup()  # before the model, which is made for these images
    model = instantiate(
        config.model,
        input=datamodule.input_type.as_dict(),
        target=datamodule.target_type.as_dict(),
        _recursive_=False,
        _convert_="all",
    )
    trainer = instantiate(
        config.trainer,
        callbacks=_values(instantiate(config.callbacks, _convert_="all")),
        logger=_values(instantiate(config.logger, _convert_="all")),
        plugins=[AtomicCheckpointIO()],
    )
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise UserError(
            f"trainer.strategy is {config.trainer.strategy}, which starts processes that Hydra does not know of; "
            f"expected auto or ddp"
        )
    finished = False
    try:
        trainer.fit(model, datamodule, ckpt_path=config.ckpt_path, weights_only=True)
        objective = _objective(config, trainer) if trainer.is_global_zero else None
        finished = True
    finally:
        end_ranks(trainer, failed=not finished)
        rank_zero_info(f"Everything about this run is in {config.output_dir}")
    return objective


def _objective(config: DictConfig, trainer: "L.Trainer") -> float | None:
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if config.objective not in metrics:
        log.warning("This run was not validated: there is no %s to return", config.objective)
        return None
    if not math.isfinite(metrics[config.objective]):
        raise UserError(
            f"{config.objective} is {metrics[config.objective]} at the end of the run in {config.output_dir}; "
            f"expected a finite number: lower the learning rates, or use trainer.precision=32-true"
        )
    return metrics[config.objective]


def _values(named: dict[str, Any]) -> list[Any]:
    """What a group of named objects holds, without those that were set to null."""
    return [value for value in named.values() if value is not None]


def _quieten_lightning() -> None:
    """One line for one event, and none that our users can do nothing about."""
    logging.getLogger("lightning").handlers.clear()  # would print everything a second time, beside Hydra's logging
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "Tip:" not in record.msg)
    # ModelCheckpoint's advice to save weights from before a step is not for two optimizers in turn.
    warnings.filterwarnings("ignore", message="Using ModelCheckpoint with manual optimization")
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")  # Lightning's own use of torch


main = command("train")(train)

if __name__ == "__main__":
    main()
