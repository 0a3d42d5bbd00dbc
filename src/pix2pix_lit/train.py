"""The train command: compose the config, build the objects, fit, and return the objective to a sweeper."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.checks import FilePath, Word, check_choice, check_config, check_integer
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.files.names import is_utf8
from pix2pix_lit.metrics import logged
from pix2pix_lit.runs.command import command, message_for_user
from pix2pix_lit.runs.folder import discard_failed_start, exclusive_run
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

    name: Word | int
    seed: int
    ckpt_path: FilePath | None
    warm_start: FilePath | None
    tf32: bool
    objective: Word
    trial: int | None
    output_dir: FilePath


def train(config: DictConfig) -> float | None:
    """Train as ``configs/train.yaml`` describes, from the start or resuming the run in its folder.

    Args:
        config: the composed config.

    Returns:
        The last value of the metric that ``config.objective`` names; None if the run was not validated, and in
        processes of a rank above 0.

    Raises:
        UserError: for data, values or a checkpoint that cannot be used, and if training breaks down: out of memory or
            disk space, or losses that are not finite.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from hydra.core.hydra_config import HydraConfig

    from pix2pix_lit.checkpoints.resume import restoring, training_to_resume
    from pix2pix_lit.checkpoints.warm_start import warm_start
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.runs.launch import start_ranks_as_single_jobs

    folder = Path(config.output_dir)
    overrides = [shown(word) for word in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []
    limits = {name: config.trainer[name] for name in ("max_epochs", "max_steps")}
    former = read_result(folder)
    if former is not None and is_complete(former, limits):
        log.info("The run in %s is complete after %d epochs, %d steps", folder, former.epochs, former.steps)
        if sorted(former.overrides) != sorted(overrides):
            log.warning("Its command was %s; for another run, choose another hydra.run.dir", " ".join(former.overrides))
        return former.metrics.get(former.objective or "" if config.objective == "auto" else config.objective)

    if "tensorboard" in config.logger and not is_utf8(folder):
        raise UserError(
            f"{folder} has a name that is not UTF-8, which TensorBoard does not support; expected another name: choose "
            f"hydra.run.dir=FOLDER, or leave out TensorBoard with logger=csv"
        )
    keep_freed_memory()
    quieten_lightning()
    objective = None if config.objective == "auto" else config.objective  # which is decided once the data is known
    result = Result(status="failed", objective=objective, overrides=overrides, limits=limits)
    with exclusive_run(folder), _recorded(result, folder, is_first=former is None):
        check_config(config, Keys)  # here, since each job of a sweep has other values
        check_choice("objective", config.objective, ["auto", *logged(config.metrics)])
        stored = training_to_resume(folder, config.ckpt_path)
        checkpoint = None if stored is None else stored.path
        if checkpoint is not None:
            _keep_csv_metrics(folder)
        trainer, model, datamodule = build(config, stored)
        result.objective = config.objective
        del stored  # frees its memory once Lightning has restored it
        with _all_processes(trainer, result):
            start_ranks_as_single_jobs(trainer, "pix2pix_lit.train")
            log_start(trainer, model, datamodule)
            if config.warm_start is not None and checkpoint is None:
                warm_start(model, config.warm_start)
            elif config.warm_start is not None:
                log.info("warm_start has no effect, since the run is resumed from %s", checkpoint)
            with restoring(trainer, checkpoint):
                _fit(trainer, model, datamodule, checkpoint)
        if is_first_rank():
            _check_objective(result, folder)
            log_end(result, folder, datamodule)
    return result.value


@contextmanager
def _recorded(result: Result, folder: Path, *, is_first: bool) -> Iterator[None]:
    """A context that writes the outcome of a run to its ``result.json``.

    Args:
        result: to write; its status and message are set here.
        folder: of the run.
        is_first: whether this is the first run in the folder. If it fails before its first batch, its files are
            removed. A failed start of a later run keeps the result of the former one.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    start = time.monotonic()
    try:
        yield
        result.status = "finished"
    except (KeyboardInterrupt, SystemExit):
        result.status = "interrupted"
        raise
    except BaseException as error:
        result.message = message_for_user(error) or f"{type(error).__name__}: {error}"
        raise
    finally:
        if is_first_rank():
            result.seconds = time.monotonic() - start
            if is_first or result.steps > 0:
                result.write(folder)
            is_gone = False
            if is_first and result.steps == 0 and result.status != "finished":
                is_job = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
                is_gone = discard_failed_start(folder, keep_row=is_job)
            if not is_gone:
                if result.status == "interrupted":
                    log_how_to_resume(folder)
                log.info("Everything about this run is in %s", folder)


@contextmanager
def _all_processes(trainer: "L.Trainer", result: Result) -> Iterator[None]:
    """A context for training: it ends the processes that training started, and fills in ``result``."""
    from pix2pix_lit.runs.launch import end_ranks

    is_together = False  # whether all processes ended at the same point
    try:
        yield
        is_together = True
    except RunStopped as stop:
        is_together = stop.together
        raise
    finally:
        if is_first_rank():
            _note_outcome(result, trainer)
        _end_data_workers(trainer)
        end_ranks(trainer, failed=not is_together)


def build(
    config: DictConfig, stored: "StoredTraining | None" = None
) -> tuple["L.Trainer", "Pix2Pix", "PairsDataModule"]:
    """The objects that the config describes, ready to fit.

    Args:
        config: the composed config; metrics that cannot be measured become null in it, and the objective ``auto`` the
            metric that is chosen.
        stored: the training that is resumed, which ``trainer.fit`` then does not read again.
    """
    import lightning as L
    import torch
    from hydra.utils import instantiate
    from lightning.pytorch.callbacks import Checkpoint

    from pix2pix_lit.checkpoints.saving import check_room
    from pix2pix_lit.training.measured import former_objective, leave_out_unavailable

    check_integer("seed", config.seed)
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(config.tf32)
    L.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.overfit_batches = config.trainer.get("overfit_batches", 0)
    datamodule.check_pairs()
    datamodule.setup()  # before the model, which is built for these images
    count, limit = datamodule.val_length, config.trainer.get("limit_val_batches")
    if type(limit) is int:
        count = min(count, limit * datamodule.val_batch_size)
    former = None if stored is None else former_objective(stored.checkpoint)
    leave_out_unavailable(config, datamodule.target_type, datamodule.crop_size, count, former)
    trainer = _build_trainer(config, stored)
    L.seed_everything(config.seed, workers=True, verbose=False)  # again: initial weights do not depend on the data set
    model = instantiate(
        config.model,
        input=datamodule.input_type.as_dict(),
        target=datamodule.target_type.as_dict(),
        metrics=OmegaConf.to_container(config.metrics, resolve=True),
        _recursive_=False,
        _convert_="all",
    )
    if is_first_rank() and any(isinstance(callback, Checkpoint) for callback in trainer.callbacks):
        check_room(Path(config.output_dir) / "checkpoints", model)
    return trainer, model, datamodule


def _build_trainer(config: DictConfig, stored: "StoredTraining | None") -> Any:
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from lightning.pytorch.accelerators import CPUAccelerator
    from lightning.pytorch.callbacks import ProgressBar

    from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO
    from pix2pix_lit.internals.lightning import MultiProcessingLauncher

    callbacks = _values(instantiate(config.callbacks, _convert_="all"))
    instead: dict[str, Any] = {}
    if not any(isinstance(callback, ProgressBar) for callback in callbacks):
        instead["enable_progress_bar"] = False  # otherwise Lightning adds its own
    if "overfit_batches" in config.trainer:
        instead["overfit_batches"] = 0.0  # done by the data module: Lightning would replace its sampler, which resumes
    try:
        trainer = instantiate(
            config.trainer,
            callbacks=callbacks,
            logger=_values(instantiate(config.logger, _convert_="all")),
            plugins=[AtomicCheckpointIO(Path(config.output_dir) / "checkpoints", stored)],
            **instead,
        )
    except InstantiationException as error:
        if CPUAccelerator.__name__ in str(error):
            refuse_more_processes_than_cores("trainer.devices", config.trainer.devices)
        raise
    if isinstance(trainer.strategy.launcher, MultiProcessingLauncher):
        raise UserError(
            f"trainer.strategy is {config.trainer.strategy}, which starts processes without Hydra's config; expected "
            f"auto or ddp"
        )
    if isinstance(trainer.accelerator, CPUAccelerator) and world_size_from_outside() == 1:
        refuse_more_processes_than_cores("trainer.devices", trainer.num_devices)
    return trainer


def _fit(trainer: "L.Trainer", model: "Pix2Pix", datamodule: "PairsDataModule", checkpoint: Path | None) -> None:
    try:
        trainer.fit(model, datamodule, ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        # Lightning fails to clean up a loader that a signal has kept from starting, and would hide the signal.
        if "iter(combined_loader)" in str(error) and error.__context__ is not None:
            raise error.__context__ from None
        raise


def _end_data_workers(trainer: "L.Trainer") -> None:
    """End the workers of training and validation: an exception in either leaves both running."""
    for loop in (trainer.fit_loop, trainer.fit_loop.epoch_loop.val_loop):
        with suppress(RuntimeError):  # Lightning's, of a loader that a signal kept from starting
            loop.teardown()


def _note_outcome(result: Result, trainer: "L.Trainer") -> None:
    """Fill a result with the trainer's metrics and counts."""
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
    """Rename the metrics table of the former run, which a new CSVLogger would delete."""
    if is_first_rank() and (folder / "metrics.csv").exists():
        number = 1 + sum(1 for _ in folder.glob("metrics_*.csv"))
        (folder / "metrics.csv").rename(folder / f"metrics_{number}.csv")


def _values(named: dict[str, Any]) -> list[Any]:
    """The objects of a group of named ones, without those set to null."""
    return [value for value in named.values() if value is not None]


main = command("train", Keys, required=["data"])(train)

if __name__ == "__main__":
    main()
