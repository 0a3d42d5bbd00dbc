"""The predict command: images and videos in, their translations, grids and a gallery out."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig

from pix2pix_lit.checks import FilePath, FreeText, Word, check_flag
from pix2pix_lit.errors import UserError, first_few, shown
from pix2pix_lit.runs.command import command
from pix2pix_lit.runs.rank import is_first_rank, refuse_more_processes_than_cores, world_size_from_outside
from pix2pix_lit.runs.stopping import RunStopped, stop_later

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning as L

    from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
    from pix2pix_lit.inference import Translator
    from pix2pix_lit.inference.files import Task
    from pix2pix_lit.inference.prediction import Outcome, Prediction, Settings

log = logging.getLogger(__name__)

_WITHOUT_EFFECT = (
    "output",
    "batch_size",
    "num_workers",
    "device",
    "devices",
    "grids",
    "gallery",
    "existing",
    "trusted",
)
"""Keys that do not change the translations."""


class Keys:
    """The types of the keys of ``configs/predict.yaml``."""

    ckpt: FilePath | None
    input: FilePath | None
    output: FilePath | None
    suffix: Word | None
    bit_depth: int | None
    naming: FreeText | None
    half: Word | None
    existing: Word
    grids: bool
    gallery: bool
    tile: int | None
    overlap: int | None
    samples: int
    seed: int
    norm_inference: Word | None
    precision: Word | None
    batch_size: int
    num_workers: int
    device: Word
    devices: int
    trusted: bool


class Work(NamedTuple):
    """The files of a command.

    Attributes:
        tasks: all of them.
        remaining: those that are not translated yet.
        left_out: inputs that cannot be read -> why.
    """

    tasks: "list[Task]"
    remaining: "list[Task]"
    left_out: dict[Path, str]


def predict(config: DictConfig) -> None:
    """Translate images as ``configs/predict.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the checkpoint or the entire input cannot be used; and, after all other files are translated, if
            some files could not be read.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.runs.folder import checkpoint_in

    settings = _settings_of(config)
    keep_freed_memory()
    checkpoint = checkpoint_in(config.ckpt)
    translator = _load_translator(config, checkpoint)
    work = _find_work(config, checkpoint, translator) if is_first_rank() else Work([], [], {})
    outcome = _translate(config, checkpoint, translator, work, settings)
    if is_first_rank():
        _write_grids_and_gallery(config, checkpoint, translator, work.tasks)
        _report(outcome, work, settings.output)


def _settings_of(config: DictConfig) -> "Settings":
    """Check the keys that no other class checks."""
    from pix2pix_lit.inference.files import names_one_file
    from pix2pix_lit.inference.prediction import Settings

    for key in ("ckpt", "input", "output"):
        if config[key] in (None, ""):
            raise UserError(
                f"{key} is not set; expected: pix2pix-lit predict ckpt=FILE input=FILE|FOLDER|PATTERN|LIST|- "
                f"output=FOLDER"
            )
    for key in ("grids", "gallery", "trusted"):
        check_flag(key, config[key])  # "no" and "off" are text, which Python takes for true
    refuse_more_processes_than_cores("devices", config.devices)
    output = Path(config.output)
    if names_one_file(output):
        for key in ("samples", "grids", "gallery"):
            if config[key]:
                raise UserError(
                    f"output={output} is the name of one file, but {key}={config[key]} writes folders beside the "
                    f"translations; expected a folder: choose another output, or leave {key} unset"
                )
    return Settings(
        output=output,
        half=config.half,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        tile=config.tile,
        overlap=config.overlap,
        samples=config.samples,
        seed=config.seed,
    )


def _load_translator(config: DictConfig, checkpoint: Path) -> "Translator":
    """Load the generator, and warn of tiles that will be visible."""
    from pix2pix_lit.inference import Translator

    if is_first_rank() and checkpoint != Path(config.ckpt):
        log.info("Translating with %s", shown(checkpoint))
    # Lightning moves networks to its devices; exported files stay where they were opened.
    device = "cpu" if config.device == "auto" or config.devices != 1 else config.device
    translator = Translator.load(checkpoint, device, config.precision, config.norm_inference, config.trusted)
    if config.bit_depth is not None:
        translator = translator.with_bit_depth(config.bit_depth)
    if config.tile is None:
        return translator
    translator.overlap_of(config.tile, config.overlap)  # checks both
    metadata = translator.metadata
    if is_first_rank() and metadata and metadata.norm_inference == "per_image":
        is_batch_norm = metadata.generator.get("norm", "batch") == "batch"
        log.warning(
            "tile=%d: this network normalises with statistics of its input, which differ between tiles and leave a "
            "visible pattern. %sLarger tiles reduce it, tile=null avoids it",
            config.tile,
            "norm_inference=running avoids it (if colours are off, export with recalibrate=true first). "
            * is_batch_norm,
        )
    return translator


def _find_work(config: DictConfig, checkpoint: Path, translator: "Translator") -> Work:
    """Find the inputs, and those that the same command has translated before."""
    from pix2pix_lit.inference.files import find_inputs
    from pix2pix_lit.inference.resume import remaining_tasks

    output = Path(config.output)
    tasks, left_out = find_inputs(
        config.input,
        config.output,
        config.suffix,
        translator.target_type,
        config.naming,
        None if sys.stdin is None else sys.stdin.buffer,
    )
    _refuse_own_folders(config, tasks, output)
    remaining = remaining_tasks(tasks, output, _made_by(config, checkpoint), config.existing)
    done = len(tasks) - len(remaining)
    if done:
        log.info("%s are already in %s", f"All {done}" if not remaining else f"{done} of {len(tasks)}", shown(output))
    return Work(tasks, remaining, left_out)


def _translate(
    config: DictConfig, checkpoint: Path, translator: "Translator", work: Work, settings: "Settings"
) -> "Outcome":
    """Translate the remaining files; if a signal stops the command, log how many are done."""
    from pix2pix_lit.inference.prediction import Outcome, Prediction
    from pix2pix_lit.inference.resume import remaining_tasks

    # Processes that were started from outside wait for each other, even if nothing remains.
    if is_first_rank() and not work.remaining and world_size_from_outside() == 1:
        return Outcome()
    try:
        return _run(Prediction(translator, work.remaining, settings), config)
    except RunStopped as stop:
        if is_first_rank():
            left = remaining_tasks(work.remaining, settings.output, _made_by(config, checkpoint))
            log.info(
                "Stopped by %s: %d of %d are translated, in %s; the same command%s translates the others",
                stop.signal.name,
                len(work.remaining) - len(left),
                len(work.remaining),
                shown(settings.output),
                " with existing=continue" if config.existing == "overwrite" else "",
            )
        raise


def _report(outcome: "Outcome", work: Work, output: Path) -> None:
    """Log what was noticed and how many files are translated.

    Raises:
        UserError: naming the files that were left out.
    """
    for remark, paths in outcome.remarks.items():
        log.warning("%d images %s: %s", len(paths), remark, first_few(paths, 3))
    wanted = len(work.remaining) + len(work.left_out)
    if wanted:
        log.info("%d of %d images translated into %s", outcome.done, wanted, shown(output))
    messages = [failure.message for failure in outcome.failures]
    messages += [f"{path}: {reason}" for path, reason in work.left_out.items()]
    if messages:
        raise UserError(f"{len(messages)} of {wanted} files were left out:\n  " + "\n  ".join(messages))


def _run(prediction: "Prediction", config: DictConfig) -> "Outcome":
    """Run Lightning's predict loop, on one device or in a process for each."""
    import lightning as L
    from tqdm.contrib.logging import logging_redirect_tqdm

    from pix2pix_lit.internals.lightning import without_signal_handling
    from pix2pix_lit.runs.launch import end_ranks, start_ranks_as_single_jobs

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (r".*isinstance\(treespec, LeafSpec\)", "predict returned None", ".*does not have many workers"):
        warnings.filterwarnings("ignore", message=message)
    trainer: L.Trainer | None = None
    failed = True
    try:
        trainer = _trainer(config)
        start_ranks_as_single_jobs(trainer, "pix2pix_lit.predict")
        without_signal_handling(trainer)
        with stop_later(), logging_redirect_tqdm():  # messages appear above the bar
            trainer.predict(prediction, return_predictions=False)
        failed = False
    finally:
        prediction.close()
        if trainer is not None:
            end_ranks(trainer, failed=failed)
    return prediction.outcome


def _trainer(config: DictConfig) -> "L.Trainer":
    import lightning as L
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    kind, _, index = str(config.device).partition(":")
    accelerator = {"cuda": "gpu"}.get(kind, kind)
    try:
        return L.Trainer(
            accelerator=accelerator,
            devices=[int(index)] if index else config.devices,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"device={config.device} with devices={config.devices} cannot be used here ({error}); expected auto, cpu, "
            f"cuda, cuda:1 or mps, and no more devices than there are"
        ) from error


def _made_by(config: DictConfig, checkpoint: Path) -> dict[str, Any]:
    """The values that translations depend on: all other keys, and the identity of the checkpoint file."""
    import pix2pix_lit

    status = checkpoint.stat()
    return {str(key): value for key, value in config.items() if key not in _WITHOUT_EFFECT} | {
        "ckpt": [str(checkpoint.resolve()), status.st_size, status.st_mtime_ns],
        "version": pix2pix_lit.__version__,
    }


def _refuse_own_folders(config: DictConfig, tasks: "list[Task]", output: Path) -> None:
    """Refuse inputs whose translations would go into the folders of grids, gallery and samples."""
    own = {"grids": config.grids, "gallery": config.gallery, "samples": config.samples, "deviation": config.samples}
    for name, is_used in own.items():
        if is_used and any(task.target.is_relative_to(output / name) for task in tasks):
            key = "samples" if name == "deviation" else name
            raise UserError(
                f"translations would be written to {output / name}, where {key}={config[key]} writes its own files; "
                f"expected inputs in other folders: leave {key} unset, or choose another input"
            )


def _write_grids_and_gallery(
    config: DictConfig, checkpoint: Path, translator: "Translator", tasks: "list[Task]"
) -> None:
    """Write grids and the gallery of all existing translations, including those of earlier commands."""
    if not config.grids and not config.gallery:
        return
    from functools import partial

    from pix2pix_lit.images.grid import GridPages
    from pix2pix_lit.inference.background import read_ahead
    from pix2pix_lit.inference.gallery import Gallery, files_of, pictures_of

    tasks = [task for task in tasks if os.path.exists(task.target)]
    output = Path(config.output)
    pages = GridPages(str(output / "grids")) if config.grids else None
    title = f"Translations by {_model_name(checkpoint, translator.metadata)}"
    gallery = Gallery(output / "gallery", title) if config.gallery else None
    deviations = output if config.samples else None
    pictures = partial(pictures_of, half=config.half, translator=translator, deviations=deviations)
    for task, row in zip(tasks, read_ahead(pictures, tasks, config.num_workers, ahead=8), strict=True):
        name = shown(task.target.relative_to(output))
        if gallery is not None and task.is_video:
            gallery.add_video(name, files_of(task, deviations))
        elif row and gallery is not None:
            gallery.add(name, row, files_of(task, deviations))
        if row and pages is not None:
            pages.add(name, row)
    if pages is not None:
        pages.close()
    if gallery is not None:
        gallery.close()
        log.info("The gallery is in %s", shown(output / "gallery" / "index.html"))


def _model_name(checkpoint: Path, metadata: "GeneratorMetadata | None") -> str:
    """A title for a model: its run if known, its file, and how long it was trained."""
    path = checkpoint.resolve()
    name = path.name
    if path.parent.name == "checkpoints":  # outputs/<name>/<time>/checkpoints/last.ckpt
        name = f"{'/'.join(path.parents[1].parts[-2:])}, {name}"
    training = metadata.training if metadata else {}
    trained = [f"{key.removesuffix('s')} {training[key]:,}" for key in ("epochs", "steps") if _is_count(training, key)]
    return shown(f"{name} ({', '.join(trained)})" if trained else name)


def _is_count(training: "Mapping[str, Any]", key: str) -> bool:
    return type(training.get(key)) is int and training[key] > 0


main = command("predict", Keys, required=["ckpt", "input", "output"])(predict)

if __name__ == "__main__":
    main()
