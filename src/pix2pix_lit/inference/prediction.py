"""The loop of the predict command: batches of images and videos -> files, on one or several devices."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.checks import check_choice, check_integer
from pix2pix_lit.distributed import gathered
from pix2pix_lit.errors import NotFiniteError, UserError
from pix2pix_lit.files.atomic_write import is_disk_full
from pix2pix_lit.formats.backends import TorchBackend
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.metadata import ImageMetadata
from pix2pix_lit.inference.background import BackgroundWriter
from pix2pix_lit.inference.files import Failure, Half, ImageBatch, Task, read_batches
from pix2pix_lit.inference.input_check import InputCheck
from pix2pix_lit.inference.progress import Progress
from pix2pix_lit.inference.translator import Samples, Translator
from pix2pix_lit.inference.video.translation import translate_video
from pix2pix_lit.memory import explain_out_of_memory
from pix2pix_lit.runs.launch import raise_if_rank_failed, run_watching_ranks
from pix2pix_lit.runs.stopping import raise_if_signalled, stop_now

log = logging.getLogger(__name__)

_WHITE = 0.125
"""Deviation of values in [-1, 1] from which on a map is white."""


@dataclass(frozen=True)
class Settings:
    """Settings of ``Prediction``.

    Args:
        output: the folder of the translations.
        half: the half of side-by-side files to translate; None for files with one image.
        batch_size: images of equal size that are translated at once.
        num_workers: threads that read files, and as many that write them.
        tile: side in pixels of the tiles in which larger images are translated; None for no tiles.
        overlap: pixels that neighbouring tiles share; None for the default.
        samples: translations of each image with dropout on; 0 for a single one without.
        seed: of the dropout.

    Raises:
        UserError: for invalid or too small numbers, and for inconsistent values.
    """

    output: Path
    half: Half | None = None
    batch_size: int = 8
    num_workers: int = 2
    tile: int | None = None
    overlap: int | None = None
    samples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("num_workers", 0), ("samples", 0), ("seed", 0)):
            check_integer(name, getattr(self, name), least)
        check_choice("half", self.half, ("left", "right", None))
        if self.samples and self.tile is not None:
            raise UserError(
                f"samples is {self.samples} and tile is {self.tile}; expected only one of the two: unset the other"
            )
        if self.overlap is not None and self.tile is None:
            raise UserError(f"overlap is {self.overlap}, but tile is null; expected both: set tile, or unset overlap")


@dataclass
class Outcome:
    """The result of the tasks.

    Attributes:
        done: number of translated files.
        failures: the files that were left out.
        remarks: remark on translated files, completing "3 images ..." -> those files.
    """

    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    remarks: dict[str, list[Path]] = field(default_factory=dict)

    def remark(self, remark: str, path: Path) -> None:
        """Record a remark on a file."""
        self.remarks.setdefault(remark, []).append(path)


class Prediction(L.LightningModule):
    """Translates files in Lightning's predict loop, which chooses the devices.

    While the network runs, the next files are read and the previous ones written. Each of n processes translates every
    n-th task of the first process.

    Args:
        translator: on the CPU; its network is moved to the device that Lightning chooses.
        tasks: the files to translate; all processes use those of the first one.
        settings: of the translation.
    """

    def __init__(self, translator: Translator, tasks: list[Task], settings: Settings) -> None:
        super().__init__()
        self.translator = translator
        self.tasks = tasks
        self.settings = settings
        self.outcome = Outcome()
        threads = settings.num_workers
        self.writer = BackgroundWriter(threads, most_waiting=2 * max(threads, settings.batch_size))
        self.progress = Progress(0, is_shown=False)
        if isinstance(translator.backend, TorchBackend):
            self.network = translator.backend.network  # so that it is moved

    def predict_dataloader(self) -> Iterable[Any]:
        """Batches of images, files that could not be read, and videos."""
        everything: list[Task] = self.trainer.strategy.broadcast(self.tasks)
        own = everything[self.trainer.global_rank :: self.trainer.world_size]
        self._count = len(own)
        self.progress = Progress(len(own), self.trainer.is_global_zero)
        return _Stream(own, self.translator, self.settings)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch unchanged: the translator moves pixels."""
        return batch

    def predict_step(self, batch: ImageBatch | Failure | Task, batch_idx: int) -> None:
        """Translate a batch and write it; stop after a signal or if another process failed."""
        raise_if_signalled()
        raise_if_rank_failed(self.trainer)
        if isinstance(batch, Failure):
            self._fail(batch.task, batch.message)
        elif isinstance(batch, Task):
            self._translate_video(batch)
        else:
            self._translate_images(batch)

    def on_predict_end(self) -> None:
        """Wait for the last files, and gather the outcomes of all processes."""
        self.writer.close()
        self.outcome.done = self._count - len(self.outcome.failures)
        outcomes = run_watching_ranks(self.trainer, lambda: gathered(self.outcome))  # some may need hours more
        self.outcome = Outcome(
            sum(outcome.done for outcome in outcomes),
            sorted(chain(*(outcome.failures for outcome in outcomes)), key=lambda failure: failure.message),
        )
        for remark in sorted({remark for outcome in outcomes for remark in outcome.remarks}):
            self.outcome.remarks[remark] = sorted(chain(*(outcome.remarks.get(remark, []) for outcome in outcomes)))

    def close(self) -> None:
        """Finish writing and close the progress bar, without hiding an error that led here."""
        with suppress(Exception):
            self.writer.close()
        self.progress.close()

    def _translate_images(self, batch: ImageBatch) -> None:
        images = torch.from_numpy(batch.images).permute(0, 3, 1, 2)
        settings = self.settings
        for task, remarks in zip(batch.tasks, batch.remarks, strict=True):
            for remark in remarks:
                self.outcome.remark(remark, task.source)
        carried = [self._carried(task, found) for task, found in zip(batch.tasks, batch.metadata, strict=True)]
        described = {"image": images, "name": [task.source for task in batch.tasks]}
        with explain_out_of_memory(described, "lower batch_size, set tile=1024 or less, or precision=bf16"):
            if settings.samples:
                for task, image, metadata in zip(batch.tasks, images, carried, strict=True):
                    try:
                        with stop_now():
                            samples = self.translator.sample(image, settings.samples, settings.seed)
                    except NotFiniteError as error:
                        self._fail(task, f"{task.source}: {error}")
                        continue
                    self._write(task, partial(self._write_samples, task, samples, metadata))
                return
            try:
                with stop_now():
                    translations: Iterable[Tensor | None] = self.translator(images, settings.tile, settings.overlap)
            except NotFiniteError:  # not necessarily of all of them
                translations = [self._alone(task, image) for task, image in zip(batch.tasks, images, strict=True)]
        for task, translation, metadata in zip(batch.tasks, translations, carried, strict=True):
            if translation is not None:
                self._write(task, partial(self._write_image, task.target, translation, metadata))

    def _alone(self, task: Task, image: Tensor) -> Tensor | None:
        """The translation of one image; None, with a recorded failure, if it is not finite."""
        try:
            with stop_now():
                return self.translator(image, self.settings.tile, self.settings.overlap)
        except NotFiniteError as error:
            self._fail(task, f"{task.source}: {error}")
            return None

    def _carried(self, task: Task, found: ImageMetadata) -> ImageMetadata:
        """The metadata of a file that is copied to its translation."""
        input_type, target_type = self.translator.input_type, self.translator.target_type
        is_labels = input_type.is_labels or target_type.is_labels
        carried = found.of_translation(self.settings.half, is_labels, target_type.channels, target_type.file_dtype)
        if found.geo_tags and self.settings.half == "right":
            self.outcome.remark("have GeoTIFF tags, left out since they may not apply to the right half", task.source)
        suffix = task.target.suffix.lower()
        for lost in carried.lost_in(suffix):
            self.outcome.remark(f"have {lost}, which {suffix} files cannot hold (suffix=.tif does)", task.source)
        return carried

    def _write(self, task: Task, write: Any) -> None:
        def attempt() -> None:
            try:
                write()
            except UserError as error:
                if is_disk_full(error):
                    raise
                self._fail(task, str(error))
            else:
                self.progress.file_done()

        self.writer.submit(attempt)

    def _write_image(self, path: Path, translation: Tensor, metadata: ImageMetadata) -> None:
        pixels = self.translator.target_type.as_in_files(translation.permute(1, 2, 0).numpy())
        write_image(path, pixels, metadata)

    def _write_samples(self, task: Task, samples: Samples, metadata: ImageMetadata) -> None:
        name = task.target.relative_to(self.settings.output)
        for k, sample in enumerate(samples.samples):
            self._write_image(self.settings.output / "samples" / f"{k:03d}" / name, sample, metadata)
        deviation = deviation_map(samples.deviation.numpy())
        write_image(deviation_path(task, self.settings.output), deviation, metadata.without_profile())
        self._write_image(task.target, samples.mean, metadata)  # last: where it exists, the others do

    def _translate_video(self, task: Task) -> None:
        input_type, target_type = self.translator.input_type, self.translator.target_type

        def translate(frames: np.ndarray) -> np.ndarray:
            raise_if_rank_failed(self.trainer)
            with stop_now():
                translations = self.translator(frames, self.settings.tile, self.settings.overlap)
            return np.stack([target_type.picture(frame) for frame in translations])

        try:
            if (input_type.planes, input_type.dtype, input_type.classes) != (3, "uint8", None):
                raise UserError(
                    f"{task.source} is a video, which has 8-bit RGB frames; this model translates "
                    f"{input_type.describe()}: expected images"
                )
            if self.settings.half is not None or self.settings.samples:
                raise UserError(f"{task.source} is a video; half and samples work on images only: leave them unset")
            translate_video(task.source, task.target, translate, self.settings.batch_size, self.progress.frames_done)
        except UserError as error:
            named = f"{task.source}: {error}" if isinstance(error, NotFiniteError) else str(error)
            self.outcome.failures.append(Failure(task, named))
        self.progress.video_done()

    def _fail(self, task: Task, message: str) -> None:
        self.outcome.failures.append(Failure(task, message))
        self.progress.file_done()


class _Stream:
    """The items of the predict loop; Lightning iterates over it once."""

    def __init__(self, tasks: list[Task], translator: Translator, settings: Settings) -> None:
        self.tasks, self.translator, self.settings = tasks, translator, settings

    def __iter__(self) -> Iterator[ImageBatch | Failure | Task]:
        settings, translator = self.settings, self.translator
        training = translator.metadata.training if translator.metadata else {}
        yield from read_batches(
            [task for task in self.tasks if not task.is_video],
            1 if settings.tile else settings.batch_size,
            settings.num_workers,
            settings.half,
            translator.input_type,
            InputCheck(translator.input_type, translator.target_type, training, settings.half),
        )
        yield from (task for task in self.tasks if task.is_video)


def deviation_path(task: Task, output: Path) -> Path:
    """The path of the map of deviations of a task's samples."""
    return output / "deviation" / task.target.relative_to(output).with_suffix(".png")


def deviation_map(deviation: np.ndarray) -> np.ndarray:
    """(H, W) as in ``Samples`` -> (H, W, 1) uint8: black where samples agree, white from 1/16 of the range upwards."""
    return (deviation * (255 / _WHITE)).round().clip(0, 255).astype(np.uint8)[..., None]
