"""Which files to translate, what their translations are called, and reading them in batches of one size."""

import glob
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from pix2pix_lit.errors import UserError
from pix2pix_lit.images import SUFFIXES, list_images, read_image, read_size

Half = Literal["left", "right"]


class Task(NamedTuple):
    """One file to translate: where it is and where its translation goes."""

    source: Path
    target: Path


@dataclass
class ImageBatch:
    """Images of one size, ready to be translated.

    Attributes:
        tasks: one for each image.
        images: (N, H, W, 3) uint8 RGB.
        other_halves: the same of what stood beside the images in their files; None if they were whole files.
        failures: what is wrong with files that were to be in this batch.
    """

    tasks: list[Task]
    images: np.ndarray
    other_halves: np.ndarray | None
    failures: list[str]


def find_tasks(input: str, output: str, suffix: str | None = None) -> list[Task]:
    """Pair every input image with the file that its translation is written to.

    Names are kept: ``input/sub/x.jpg`` becomes ``output/sub/x.jpg``. The part of the path that is kept starts
    below the input folder, or below the last folder of a pattern that exists under its very name.

    Args:
        input: an image file, a folder (searched with its sub-folders), or a pattern with ``*``, ``?``, ``[...]``
            or ``**``. What exists under exactly this name is never taken for a pattern, nor are folders above it.
        output: the folder for the translations.
        suffix: ending that translations get instead of their input's, such as ``.png``.

    Raises:
        UserError: if there is no image, if two translations would get one name, if one would overwrite an input,
            or if ``output`` is a file.
    """
    if suffix is not None and suffix not in SUFFIXES:
        raise UserError(f"suffix is {suffix!r}; expected one of {', '.join(SUFFIXES)}")
    if Path(output).is_file():
        raise UserError(f"output={output} is a file; expected a folder for the translations: choose another name")
    path = Path(input)
    if path.is_dir():
        base, sources = path, list_images(path, recursive=True)
    elif path.exists():
        base, sources = path.parent, [path]
    elif glob.has_magic(input):
        base = next(folder for folder in path.parents if folder.is_dir())
        # Path.glob would take in hidden files.
        found = glob.glob(str(path.relative_to(base)), root_dir=base, recursive=True)
        matches = {base / name for name in found}  # "**" may give one name twice
        sources = sorted(match for match in matches if match.suffix.lower() in SUFFIXES and match.is_file())
        if not sources:
            raise UserError(f"input={input} matches no image; expected files ending in {', '.join(SUFFIXES)}")
    else:
        raise UserError(f"input={input} does not exist; expected an image file, a folder of images or a pattern")

    tasks = []
    for source in sources:
        target = Path(output) / source.relative_to(base)
        tasks.append(Task(source, target.with_suffix(suffix) if suffix else target))
    _refuse_clashes(tasks)
    return tasks


def read_batches(
    tasks: list[Task], batch_size: int, num_workers: int, half: Half | None = None
) -> Iterator[ImageBatch]:
    """Read the files of ``tasks``, grouped by their size, in the background.

    Args:
        tasks: what to read; every one is in exactly one batch, or has its line in the ``failures`` of one.
        batch_size: most images in a batch.
        num_workers: processes that read and decode; 0 reads in this process.
        half: files are A|B pairs side by side, of which only this half is the image.

    Raises:
        UserError: for another ``half`` than these, or a ``batch_size`` below 1.
    """
    if half not in (None, "left", "right"):
        raise UserError(f"half is {half!r}; expected left, right or null")
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}; expected 1 or more")
    sizes: dict[Task, tuple[int, int]] = {}
    failures = []
    for task in tasks:
        try:
            sizes[task] = read_size(task.source)
        except UserError as error:
            failures.append(str(error))
    if failures:
        yield ImageBatch([], np.empty((0, 0, 0, 3), np.uint8), None, failures)

    batches: list[list[Task]] = []
    for _, group in itertools.groupby(sorted(sizes, key=sizes.__getitem__), key=sizes.__getitem__):
        same_size = list(group)
        batches += [same_size[start : start + batch_size] for start in range(0, len(same_size), batch_size)]
    yield from DataLoader(_BatchReader(batches, half), batch_size=None, num_workers=num_workers, collate_fn=_unchanged)


class _BatchReader(Dataset[ImageBatch]):
    def __init__(self, batches: list[list[Task]], half: Half | None) -> None:
        self.batches = batches
        self.half = half

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> ImageBatch:
        tasks, images, others, failures = [], [], [], []
        for task in self.batches[index]:
            try:
                image = read_image(task.source)
                if self.half is not None:
                    image, other = _split(task.source, image, self.half)
                    others.append(other)
            except UserError as error:
                failures.append(str(error))
            else:
                tasks.append(task)
                images.append(image)
        stacked = np.stack(images) if images else np.empty((0, 0, 0, 3), np.uint8)
        return ImageBatch(tasks, stacked, np.stack(others) if others else None, failures)


def _split(path: Path, image: np.ndarray, half: Half) -> tuple[np.ndarray, np.ndarray]:
    """The wanted half of a side-by-side image, and the other one."""
    height, width = image.shape[:2]
    if width % 2:
        raise UserError(f"{path} is {width}x{height} pixels (width x height); half={half} needs an even width")
    left, right = image[:, : width // 2], image[:, width // 2 :]
    return (left, right) if half == "left" else (right, left)


def _refuse_clashes(tasks: list[Task]) -> None:
    source_of: dict[Path, Path] = {}
    inputs = {task.source.resolve() for task in tasks}
    for source, target in tasks:
        if target in source_of:
            raise UserError(
                f"{source_of[target]} and {source} would both be translated into {target}; leave suffix unset to "
                f"keep each file's own ending"
            )
        if target.resolve() in inputs:
            raise UserError(f"the translation {target} would overwrite an input; choose another output folder")
        source_of[target] = source


def _unchanged(batch: Any) -> Any:
    return batch
