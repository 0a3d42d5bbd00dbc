"""Compose the config, build the objects, fit; give a sweeper its objective."""

import logging
import math
import warnings

from omegaconf import DictConfig

from pix2pix_lit.cli import command
from pix2pix_lit.errors import UserError

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Train as ``configs/train.yaml`` describes.

    Args:
        config: the composed config.

    Returns:
        The last value of the metric that ``config.objective`` names; None if the run did not measure it, and in
        processes of a rank above 0.

    Raises:
        UserError: for data, values or a checkpoint that cannot be used, and if the objective is not finite.
    """
    # Imported here so that --help and a mistyped key answer at once.
    import lightning as L
    from hydra.utils import instantiate
    from lightning.pytorch.utilities import rank_zero_info

    from pix2pix_lit.checkpoint_io import AtomicCheckpointIO
    from pix2pix_lit.ddp_processes import end_ranks, launch_ranks_as_single_jobs

    _quieten_lightning()
    launch_ranks_as_single_jobs("pix2pix_lit.train")

    L.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = instantiate(config.data, _convert_="all")
    model = instantiate(config.model, _recursive_=False, _convert_="all")
    trainer = instantiate(
        config.trainer,
        callbacks=list(instantiate(config.callbacks, _convert_="all").values()),
        logger=list(instantiate(config.logger, _convert_="all").values()),
        plugins=[AtomicCheckpointIO()],
    )
    finished = False
    try:
        trainer.fit(model, datamodule, ckpt_path=config.ckpt_path, weights_only=True)
        if "val/l1" not in trainer.callback_metrics:  # trainer.max_steps ended it before the first validation
            trainer.validate(model, datamodule, verbose=False)
        finished = True
    finally:
        end_ranks(trainer, failed=not finished)
        rank_zero_info(f"Everything about this run is in {config.output_dir}")
    if not trainer.is_global_zero:
        return None
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if config.objective not in metrics:
        log.warning("This run did not measure its objective %s, only %s", config.objective, ", ".join(sorted(metrics)))
        return None
    if not math.isfinite(metrics[config.objective]):
        raise UserError(
            f"{config.objective} is {metrics[config.objective]} at the end of the run in {config.output_dir}; "
            f"expected a finite number: lower the learning rates, or use trainer.precision=32-true"
        )
    return metrics[config.objective]


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
