"""Images in, translated images, contact sheets and a gallery out."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from pix2pix_lit.cli import command
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.ranks import is_first_rank

if TYPE_CHECKING:
    import lightning as L

    from pix2pix_lit.inference import Translator
    from pix2pix_lit.inference.files import Task
    from pix2pix_lit.inference.prediction import Outcome

log = logging.getLogger(__name__)

_WITHOUT_EFFECT = (
    "output",
    "batch_size",
    "num_workers",
    "device",
    "devices",
    "sheets",
    "gallery",
    "existing",
    "trusted",
)
"""Keys that translations do not depend on."""


def predict(config: DictConfig) -> None:
    """Translate images as ``configs/predict.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the checkpoint or the whole input cannot be used; and at the end if some files could not be
            read, naming them, with all others translated.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from pix2pix_lit.host_memory import keep_freed_memory
    from pix2pix_lit.inference import Translator
    from pix2pix_lit.inference.continuation import remaining_tasks
    from pix2pix_lit.inference.files import find_tasks
    from pix2pix_lit.inference.prediction import Prediction, Settings

    for key in ("ckpt", "input", "output"):
        if config[key] in (None, ""):
            raise UserError(
                f"{key} is not set; expected: python predict.py ckpt=FILE input=FILE|FOLDER|PATTERN|LIST|- "
                f"output=FOLDER"
            )
    for key in ("sheets", "gallery", "trusted"):
        if type(config[key]) is not bool:  # "no" and "off" are words, which Python takes for true
            raise UserError(f"{key} is {config[key]!r}; expected true or false")
    most = os.cpu_count() or 1
    if type(config.devices) is not int or not 1 <= config.devices <= most:
        raise UserError(f"devices is {config.devices!r}; expected a whole number from 1 to {most}, a process for each")
    output = Path(config.output)
    settings = Settings(
        output=output,
        half=config.half,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        tile=config.tile,
        overlap=config.overlap,
        samples=config.samples,
        seed=config.seed,
    )
    keep_freed_memory()
    # Lightning moves networks to its devices; exported files stay where they were opened.
    device = "cpu" if config.device == "auto" or config.devices != 1 else config.device
    translator = Translator.load(config.ckpt, device, config.precision, config.norm_inference, config.trusted)
    if config.bit_depth is not None:
        translator = translator.with_bit_depth(config.bit_depth)
    if config.tile is not None:
        translator.overlap_of(config.tile, config.overlap)
        if translator.description and translator.description.norm_inference == "per_image":
            log.info(
                "tile=%d: this network normalises with statistics of what it sees, so that tiles differ somewhat; with "
                "batch norm, norm_inference=running has none of that",
                config.tile,
            )
    tasks: list[Task] = []
    remaining: list[Task] = []
    if is_first_rank():
        tasks = find_tasks(
            config.input,
            config.output,
            config.suffix,
            translator.target_type,
            config.naming,
            sys.stdin if config.input == "-" else (),
        )
        _refuse_own_folders(config, tasks, output)
        remaining = remaining_tasks(tasks, output, _made_by(config), config.existing)
        if len(remaining) < len(tasks):
            log.info("%d of %d are in %s already", len(tasks) - len(remaining), len(tasks), output)
    outcome = _run(Prediction(translator, remaining, settings), config)
    if not is_first_rank():
        return
    if config.sheets or config.gallery:
        _show(config, translator, [task for task in tasks if task.target.exists()])
    for remark, paths in outcome.remarks.items():
        log.warning("%d images %s: %s", len(paths), remark, first_few(paths, 3))
    log.info("%d of %d images translated into %s", outcome.done, len(remaining), output)
    if outcome.failures:
        messages = "\n  ".join(failure.message for failure in outcome.failures)
        raise UserError(f"{len(outcome.failures)} of {len(remaining)} files were left out:\n  {messages}")


def _run(prediction: Any, config: DictConfig) -> "Outcome":
    """Let Lightning's predict loop do the work, on one device or in a process for each."""
    import lightning as L

    from pix2pix_lit.ddp_processes import end_ranks, launch_ranks_as_single_jobs

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (r".*isinstance\(treespec, LeafSpec\)", "predict returned None", ".*does not have many workers"):
        warnings.filterwarnings("ignore", message=message)
    if config.devices != 1:
        launch_ranks_as_single_jobs("pix2pix_lit.predict")
    trainer: L.Trainer | None = None
    failed = True
    try:
        trainer = _trainer(config)
        trainer.predict(prediction, return_predictions=False)
        failed = False
    finally:
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


def _made_by(config: DictConfig) -> dict[str, Any]:
    """What translations depend on: all other keys, and which file the checkpoint is."""
    import pix2pix_lit

    checkpoint = Path(config.ckpt).stat()
    return {str(key): value for key, value in config.items() if key not in _WITHOUT_EFFECT} | {
        "ckpt": [str(Path(config.ckpt).resolve()), checkpoint.st_size, checkpoint.st_mtime_ns],
        "version": pix2pix_lit.__version__,
    }


def _refuse_own_folders(config: DictConfig, tasks: "list[Task]", output: Path) -> None:
    own = {"sheets": config.sheets, "gallery": config.gallery, "samples": config.samples, "deviation": config.samples}
    for name, is_used in own.items():
        if is_used and any(task.target.is_relative_to(output / name) for task in tasks):
            key = "samples" if name == "deviation" else name
            raise UserError(
                f"translations would go to {output / name}, where {key}={config[key]} writes its own files; expected "
                f"inputs in other folders: leave {key} unset, or choose another input"
            )


def _show(config: DictConfig, translator: "Translator", tasks: "list[Task]") -> None:
    """Write sheets and gallery of all that is there, of this command and of those that it goes on with."""
    from functools import partial

    from pix2pix_lit.inference.background import read_ahead
    from pix2pix_lit.inference.gallery import Gallery
    from pix2pix_lit.inference.showing import files_of, pictures_of
    from pix2pix_lit.sheet import SheetPages

    output = Path(config.output)
    pages = SheetPages(str(output / "sheets")) if config.sheets else None
    gallery = Gallery(output / "gallery", f"Translations by {Path(config.ckpt).name}") if config.gallery else None
    deviations = output if config.samples else None
    pictures = partial(pictures_of, half=config.half, translator=translator, deviations=deviations)
    for task, row in zip(tasks, read_ahead(pictures, tasks, config.num_workers, ahead=8), strict=True):
        name = str(task.target.relative_to(output))
        if gallery is not None and task.is_video:
            gallery.add_video(name, files_of(task, deviations))
        elif row and gallery is not None:
            gallery.add(name, row, files_of(task, deviations))
        if row and pages is not None:
            pages.add(row)
    if pages is not None:
        pages.close()
    if gallery is not None:
        gallery.close()
        log.info("The gallery is %s", output / "gallery" / "index.html")


main = command("predict")(predict)

if __name__ == "__main__":
    main()
