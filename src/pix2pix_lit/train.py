"""Compose the config, build the objects, fit; give a sweeper its objective."""

import logging
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from pix2pix_lit.checks import check_config, check_integer
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.files.names import is_utf8
from pix2pix_lit.runs.command import command, message_for_user
from pix2pix_lit.runs.folder import discard_start, sole_run_in
from pix2pix_lit.runs.rank import is_first_rank, refuse_more_processes_than_cores, world_size_from_outside
from pix2pix_lit.runs.result import Result, is_complete, read_result
from pix2pix_lit.runs.stopping import RunStopped
from pix2pix_lit.training.run_messages import log_end, log_how_to_resume, log_start, quieten_lightning

if TYPE_CHECKING:
    import lightning as L

    from pix2pix_lit.checkpoints.resume import StoredTraining
    from pix2pix_lit.data import PairsDataModule
    from pix2pix_lit.training.module import Pix2Pix

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/train.yaml`` that belong to no group."""

    name: str | int
    seed: int
    ckpt_path: str | None
    warm_start: str | None
    tf32: bool
    objective: str
    trial: int | None


def train(config: DictConfig) -> float | None:
    """Train as ``configs/train.yaml`` describes, from the start or from where the run in its folder was.

    Args:
        config: the composed config.

    Returns:
        The last value of the metric that ``config.objective`` names; None if the run was not validated, and in
        processes of a rank above 0.

    Raises:
        UserError: for data, values or a checkpoint that cannot be used, and if the training breaks: out of memory or
            disk space, or with losses that are not finite.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from pix2pix_lit.checkpoints.resume import restoring, training_to_resume
    from pix2pix_lit.checkpoints.warm_start import warm_start
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.runs.launch import end_ranks, start_ranks_as_single_jobs

    folder = Path(config.output_dir)
    overrides = [shown(word) for word in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []
    limits = {name: config.trainer[name] for name in ("max_epochs", "max_steps")}
    former = read_result(folder)
    if former is not None and is_complete(former, limits):
        log.info("The run in %s is complete after %d epochs, %d steps", folder, former.epochs, former.steps)
        if sorted(former.overrides) != sorted(overrides):
            log.warning("It was made by %s: for another run choose another hydra.run.dir", " ".join(former.overrides))
        return former.metrics.get(config.objective)

    if "tensorboard" in config.logger and not is_utf8(folder):
        raise UserError(
            f"{folder} has a name that is not UTF-8, where TensorBoard cannot write; expected another: choose "
            f"hydra.run.dir=FOLDER, or leave TensorBoard out with logger=csv"
        )
    keep_freed_memory()
    quieten_lightning()
    result = Result(status="failed", objective=config.objective, overrides=overrides, limits=limits)
    start = time.monotonic()
    trainer: L.Trainer | None = None
    is_gone = False  # whether nothing came of the run that is worth a folder
    together = False  # whether all processes have come to the same end
    with sole_run_in(folder):
        try:
            check_config(config, Keys)  # of a sweep, each job has other values
            stored = training_to_resume(folder, config.ckpt_path)
            checkpoint = None if stored is None else stored.path
            if checkpoint is not None:
                _keep_csv_metrics(folder)
            trainer, model, datamodule = build(config, stored)
            del stored  # its memory, once Lightning has what is in it
            start_ranks_as_single_jobs(trainer, "pix2pix_lit.train")
            log_start(trainer, model, datamodule)
            if config.warm_start is not None and checkpoint is None:
                warm_start(model, config.warm_start)
            elif config.warm_start is not None:
                log.info("warm_start is of no effect, since the run goes on from %s", checkpoint)
            with restoring(trainer, checkpoint):
                _fit(trainer, model, datamodule, checkpoint)
            together = True
            if is_first_rank():
                _note_outcome(result, trainer)
                _check_objective(result, folder)
                log_end(result, folder, datamodule)
            result.status = "finished"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                result.status = "interrupted"
                together = isinstance(error, RunStopped) and error.together
            else:
                result.message = message_for_user(error) or f"{type(error).__name__}: {error}"
            if is_first_rank() and trainer is not None:
                _note_outcome(result, trainer)
            raise
        finally:
            try:
                if trainer is not None:
                    _end_data_workers(trainer)
                    end_ranks(trainer, failed=not together)
            except UserError as error:  # what made another process fail
                result.message = str(error)
                raise
            finally:
                if is_first_rank():
                    result.seconds = time.monotonic() - start
                    if former is None or result.steps > 0:  # else nothing became of the run that was here before
                        result.write(folder)
                    if result.status != "finished" and result.steps == 0 and former is None:
                        is_job = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
                        is_gone = discard_start(folder, keep_row=is_job)
                    if result.status == "interrupted" and not is_gone:
                        log_how_to_resume(folder)
                    if not is_gone:
                        log.info("Everything about this run is in %s", folder)
    return result.value


def build(
    config: DictConfig, stored: "StoredTraining | None" = None
) -> tuple["L.Trainer", "Pix2Pix", "PairsDataModule"]:
    """The objects that the config describes, ready to fit.

    Args:
        config: the composed config.
        stored: the training that is resumed, already read, which ``trainer.fit`` need not read again.
    """
    import lightning as L
    import torch
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from lightning.pytorch.accelerators import CPUAccelerator
    from lightning.pytorch.callbacks import Checkpoint, ProgressBar

    from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO, check_room
    from pix2pix_lit.internals.lightning import MultiProcessingLauncher

    check_integer("seed", config.seed)
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(config.tf32)
    L.seed_everything(config.seed, workers=True, verbose=False)
    callbacks = _values(instantiate(config.callbacks, _convert_="all"))
    no_bar = {}
    if not any(isinstance(callback, ProgressBar) for callback in callbacks):
        no_bar = {"enable_progress_bar": False}  # else Lightning would have one of its own
    # The data module does it: Lightning would replace the sampler, which knows where a run was.
    overfit = config.trainer.get("overfit_batches", 0)
    without_overfitting = {"overfit_batches": 0.0} if overfit else {}
    try:
        trainer = instantiate(
            config.trainer,
            callbacks=callbacks,
            logger=_values(instantiate(config.logger, _convert_="all")),
            plugins=[AtomicCheckpointIO(Path(config.output_dir) / "checkpoints", stored)],
            **no_bar,
            **without_overfitting,
        )
    except InstantiationException as error:
        if CPUAccelerator.__name__ in str(error):
            refuse_more_processes_than_cores("trainer.devices", config.trainer.devices)
        raise
    if isinstance(trainer.strategy.launcher, MultiProcessingLauncher):
        raise UserError(
            f"trainer.strategy is {config.trainer.strategy}, which starts processes that Hydra does not know of; "
            f"expected auto or ddp"
        )
    if isinstance(trainer.accelerator, CPUAccelerator) and world_size_from_outside() == 1:
        refuse_more_processes_than_cores("trainer.devices", trainer.num_devices)
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.overfit_batches = overfit
    datamodule.check_pairs()
    datamodule.setup()  # before the model, which is made for these images
    L.seed_everything(config.seed, workers=True, verbose=False)  # again: no data set has a say in initial weights
    model = instantiate(
        config.model,
        input=datamodule.input_type.as_dict(),
        target=datamodule.target_type.as_dict(),
        _recursive_=False,
        _convert_="all",
    )
    if is_first_rank() and any(isinstance(callback, Checkpoint) for callback in trainer.callbacks):
        check_room(Path(config.output_dir) / "checkpoints", model)
    return trainer, model, datamodule


def _fit(trainer: "L.Trainer", model: "Pix2Pix", datamodule: "PairsDataModule", checkpoint: Path | None) -> None:
    try:
        trainer.fit(model, datamodule, ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        # Lightning cannot clean up a loader that a signal kept from starting, and would hide the signal.
        if "iter(combined_loader)" in str(error) and error.__context__ is not None:
            raise error.__context__ from None
        raise


def _end_data_workers(trainer: "L.Trainer") -> None:
    """Those of training as well if an exception came in a validation."""
    for loop in (trainer.fit_loop, trainer.fit_loop.epoch_loop.val_loop):
        with suppress(RuntimeError):  # Lightning's, of a loader that a signal kept from starting
            loop.teardown()


def _note_outcome(result: Result, trainer: "L.Trainer") -> None:
    """Fill a result with what the trainer knows."""
    from pix2pix_lit.callbacks import BestCheckpoint, LastCheckpoint
    from pix2pix_lit.callbacks.last_checkpoint import validation_metrics
    from pix2pix_lit.internals.lightning import finished_epochs

    result.steps, result.epochs = trainer.global_step, finished_epochs(trainer)
    result.metrics = validation_metrics(trainer)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, LastCheckpoint):
            result.metrics = callback.former_metrics | result.metrics
        if isinstance(callback, BestCheckpoint) and callback.best_model_score is not None:
            result.best = float(callback.best_model_score)
    result.value = result.metrics.get(result.objective or "")


def _check_objective(result: Result, folder: Path) -> None:
    if result.value is None:
        log.warning("This run was not validated: there is no %s to return", result.objective)
    elif not math.isfinite(result.value):
        raise UserError(
            f"{result.objective} is {result.value} at the end of the run in {folder}; "
            f"expected a finite number: lower the learning rates, or use trainer.precision=32-true"
        )


def _keep_csv_metrics(folder: Path) -> None:
    """Save a CSVLogger's table from the next CSVLogger, which would delete it."""
    if is_first_rank() and (folder / "metrics.csv").exists():
        number = 1 + sum(1 for _ in folder.glob("metrics_*.csv"))
        (folder / "metrics.csv").rename(folder / f"metrics_{number}.csv")


def _values(named: dict[str, Any]) -> list[Any]:
    """What a group of named objects holds, without those that were set to null."""
    return [value for value in named.values() if value is not None]


main = command("train", Keys, required=["data"])(train)

if __name__ == "__main__":
    main()
