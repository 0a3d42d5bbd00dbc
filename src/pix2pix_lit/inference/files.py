"""Which files to translate, what their translations are called, and reading them in batches of one size."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.images import SUFFIXES, list_images, read_image, suffix_for

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
        images: (N, H, W, planes) of the type that was asked for.
        other_halves: the same of what stood beside the images in their files; None if they were whole files.
    """

    tasks: list[Task]
    images: np.ndarray
    other_halves: np.ndarray | None


@dataclass
class Failure:
    """A file that could not be read, and why."""

    task: Task
    message: str


def find_tasks(input: str, output: str, suffix: str | None = None, target_type: ImageType = RGB) -> list[Task]:
    """Pair every input image with the file that its translation is written to.

    Names are kept: ``input/sub/x.jpg`` becomes ``output/sub/x.jpg``. The part of the path that is kept starts
    below the input folder, or below the last folder of a pattern that exists under its very name.

    Args:
        input: an image file, a folder (searched with its sub-folders), or a pattern with ``*``, ``?``, ``[...]``
            or ``**``. What exists under exactly this name is never taken for a pattern, nor are folders above it.
        output: the folder for the translations.
        suffix: ending that translations get, such as ``.png``; None keeps each input's own, if such a file can hold
            translations, else takes one that can.
        target_type: what translations are.

    Raises:
        UserError: if there is no image, if two translations would get one name, if one would overwrite an input,
            if files of this ``suffix`` cannot hold translations, or if ``output`` is a file.
    """
    if suffix is not None and suffix not in SUFFIXES:
        raise UserError(f"suffix is {suffix!r}; expected one of {', '.join(SUFFIXES)}")
    if suffix is not None and suffix_for(suffix, target_type) != suffix:
        raise UserError(
            f"suffix is {suffix!r}, but such files cannot hold what this model paints ({target_type.describe()}) "
            f"exactly; expected {suffix_for(suffix, target_type)}: set it, or leave suffix unset"
        )
    if Path(output).is_file():
        raise UserError(f"output={output} is a file; expected a folder for the translations: choose another name")
    path = Path(input)
    if path.is_dir():
        base, sources = path, list_images(path, recursive=True)
    elif path.exists():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"input={input} is no image; expected a file ending in {', '.join(SUFFIXES)}")
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

    earlier = Path(output).resolve()
    if earlier != base.resolve():  # translations of an earlier run, where the output lies within the input
        sources = [source for source in sources if not source.resolve().is_relative_to(earlier)]
    tasks = []
    for source in sources:
        target = Path(output) / source.relative_to(base)
        ending = suffix or suffix_for(source.suffix, target_type)
        tasks.append(Task(source, target if ending == source.suffix else target.with_suffix(ending)))
    _refuse_clashes(tasks)
    return tasks


def read_batches(
    tasks: list[Task], batch_size: int, num_workers: int, half: Half | None = None, input_type: ImageType = RGB
) -> Iterator[ImageBatch | Failure]:
    """Read the files of ``tasks`` in the background and group them by their size, as they come.

    Args:
        tasks: what to read; every one is in exactly one batch or is a failure.
        batch_size: most images in a batch. At most four times as many wait for others of their size.
        num_workers: processes that read and decode; 0 reads in this process.
        half: files are A|B pairs side by side, of which only this half is the image.
        input_type: what the images are.

    Raises:
        UserError: for another ``half`` than these, a ``batch_size`` below 1, or a negative ``num_workers``.
    """
    if half not in (None, "left", "right"):
        raise UserError(f"half is {half!r}; expected left, right or null")
    if batch_size < 1 or num_workers < 0:
        raise UserError(f"batch_size={batch_size} num_workers={num_workers}; expected 1 or more, and 0 or more")
    reader = DataLoader(
        _Reader(tasks, half, input_type), batch_size=None, num_workers=num_workers, collate_fn=_unchanged
    )
    return _grouped(reader, batch_size)


def _grouped(reader: "DataLoader[_Loaded | Failure]", batch_size: int) -> Iterator[ImageBatch | Failure]:
    waiting: dict[torch.Size, list[_Loaded]] = {}
    for loaded in reader:
        if isinstance(loaded, Failure):
            yield loaded
            continue
        size = loaded.image.shape
        waiting.setdefault(size, []).append(loaded)
        if len(waiting[size]) == batch_size:
            yield _stack(waiting.pop(size))
        elif sum(len(group) for group in waiting.values()) == 4 * batch_size:
            yield _stack(waiting.pop(max(waiting, key=lambda size: len(waiting[size]))))
    for group in waiting.values():
        yield _stack(group)


class _Loaded(NamedTuple):
    task: Task
    image: Tensor  # (H, W, planes); a tensor, since that goes from process to process through shared memory
    other_half: Tensor | None


class _Reader(Dataset[_Loaded | Failure]):
    def __init__(self, tasks: list[Task], half: Half | None, input_type: ImageType) -> None:
        self.tasks = tasks
        self.half = half
        self.input_type = input_type

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: int) -> _Loaded | Failure:
        task = self.tasks[index]
        try:
            image = read_image(task.source, self.input_type)
            halves = [image] if self.half is None else _split(task.source, image, self.half)
            tensors = [torch.from_numpy(self.input_type.finish(half).copy()) for half in halves]
            return _Loaded(task, tensors[0], tensors[1] if self.half else None)
        except UserError as error:
            return Failure(task, str(error))


def _stack(group: list[_Loaded]) -> ImageBatch:
    tasks, images, other_halves = zip(*group, strict=True)
    return ImageBatch(
        list(tasks),
        torch.stack(images).numpy(),
        None if other_halves[0] is None else torch.stack(other_halves).numpy(),
    )


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
