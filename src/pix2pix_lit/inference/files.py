"""Finds the files to translate, names their translations, and reads them in batches of equal size."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from pix2pix_lit.checks import check_choice, check_integer
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.text import as_on_disk, decode_paths, read_paths
from pix2pix_lit.images.files import WRITTEN_SUFFIXES, decode_file, suffix_for
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.lenient import convert
from pix2pix_lit.images.listing import SUFFIXES, UNREAD_SUFFIXES, FoundImages, find_images, reason_to_leave_out, summary
from pix2pix_lit.images.metadata import ImageMetadata
from pix2pix_lit.images.strict import fit
from pix2pix_lit.inference.background import read_ahead
from pix2pix_lit.inference.input_check import InputCheck
from pix2pix_lit.inference.video.translation import VIDEO_SUFFIXES

Half = Literal["left", "right"]

_ACCEPTED = SUFFIXES + VIDEO_SUFFIXES
_NUMBER = re.compile(r"(\d+)")
_PARTS = re.compile(r"\{stem\}|\{ending\}")


class Task(NamedTuple):
    """One file to translate: its path and that of its translation."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        """Whether the file is a video, by its suffix."""
        return self.source.suffix.lower() in VIDEO_SUFFIXES


class Inputs(NamedTuple):
    """The files to translate.

    Attributes:
        tasks: a task for each file.
        left_out: inputs that cannot be read -> the reason: unsupported formats, broken links, unreadable folders.
    """

    tasks: list[Task]
    left_out: dict[Path, str]


@dataclass
class ImageBatch:
    """Images of one size, ready to be translated.

    Attributes:
        tasks: one for each image.
        images: (N, H, W, planes) of the requested type.
        other_halves: the same for the other halves of side-by-side files; None if each file is one image.
        remarks: on each image: how it was converted to that type, and how it differs from the inputs of training.
        metadata: of each image's file, such as resolution and colour profile.
    """

    tasks: list[Task]
    images: np.ndarray
    other_halves: np.ndarray | None
    remarks: list[list[str]]
    metadata: list[ImageMetadata]


@dataclass
class Failure:
    """A file that could not be read or written, and why."""

    task: Task
    message: str


def find_inputs(
    input: str,
    output: str,
    suffix: str | None = None,
    target_type: ImageType = RGB,
    naming: str | None = None,
    standard_input: BinaryIO | None = None,
) -> Inputs:
    """Pair every input image with the file that its translation is written to.

    Names are kept: ``input/sub/x.jpg`` becomes ``output/sub/x.jpg``. The part of the path that is kept starts below the
    input folder, below the part of a pattern without wildcards, or below the deepest folder that contains all files of
    a list.

    Args:
        input: an image or video file; a folder (searched with its sub-folders); a pattern with ``*``, ``?``, ``[...]``
            or ``**``; a ``.txt`` file with a path on each line; or ``-`` for such lines on standard input. An existing
            path is never read as a pattern, even if its name contains wildcards.
        output: the folder for the translations; or the file for the only one, see ``names_one_file``.
        suffix: of the translations, such as ``.png``; None keeps each input's own if such a file can hold translations,
            and otherwise chooses one that can. Videos keep their own.
        target_type: of the translations.
        naming: names of the translations, with ``{stem}`` for the input's name without its ending, and ``{ending}`` for
            that ending without the dot; None is ``{stem}``.
        standard_input: read for ``-``; None if it is closed.

    Returns:
        The tasks, sorted by name with 2 before 10; those of a list in its order.

    Raises:
        UserError: if there is no image, if two translations would have the same name, if one would overwrite an input,
            if files with this ``suffix`` cannot hold translations, if ``output`` is a file, or for a ``naming`` without
            ``{stem}`` or with a folder.
    """
    check_choice("suffix", suffix, (*WRITTEN_SUFFIXES, None))
    if suffix is not None:
        _refuse_inexact("suffix", suffix, target_type)
    if naming is not None and ("{stem}" not in naming or Path(naming).name != naming):
        raise UserError(
            f"naming is {naming!r}; expected a file name with {{stem}} for the name of the input, and no folder"
        )
    if Path(output).is_file() and not names_one_file(output):
        raise UserError(f"output={output} is a file; expected a folder for the translations: choose another name")
    base, (sources, left_out) = _find_sources(input, standard_input)
    if names_one_file(output):
        tasks = [_only_task(input, output, sources, suffix or naming, target_type)]
        _refuse_clashes(tasks)
        return Inputs(tasks, left_out)
    earlier = Path(output).resolve()
    if earlier != base.resolve():  # translations of an earlier run, where the output lies within the input
        outside = [source for source in sources if not source.resolve().is_relative_to(earlier)]
        if not outside:
            raise UserError(
                f"all files of input={input} are within output={output}, where translations of an earlier run would "
                f"be; expected a folder for translations only: choose another output"
            )
        sources = outside
        left_out = {path: why for path, why in left_out.items() if not path.resolve().is_relative_to(earlier)}
    tasks = [_task_of(source, base, Path(output), suffix, target_type, naming) for source in sources]
    _refuse_clashes(tasks)
    return Inputs(tasks, left_out)


def names_one_file(output: str | os.PathLike[str]) -> bool:
    """Whether ``output`` names the file of a single translation, such as ``result.png``, instead of a folder."""
    return Path(output).suffix.lower() in _ACCEPTED and not Path(output).is_dir()


def _only_task(input: str, output: str, sources: list[Path], other_name: str | None, target_type: ImageType) -> Task:
    task = Task(sources[0], Path(output))
    if len(sources) > 1:
        raise UserError(
            f"output={output} is the name of one file, but input={input} names {len(sources)} files; expected a folder "
            f"for their translations: choose another output, or create this folder first"
        )
    if other_name is not None:
        raise UserError(f"output={output} is the name of a file; expected suffix=null and naming=null with it")
    is_video = task.target.suffix.lower() in VIDEO_SUFFIXES
    if task.is_video != is_video:
        kinds = ("a video", VIDEO_SUFFIXES) if task.is_video else ("an image", WRITTEN_SUFFIXES)
        raise UserError(
            f"{task.source} is {kinds[0]}, but output={output}; expected a file ending in {'|'.join(kinds[1])}"
        )
    if not is_video:
        _refuse_inexact("output", output, target_type)
    return task


def _refuse_inexact(key: str, name: str, target_type: ImageType) -> None:
    """Refuse a file name, or a suffix alone, of a format that cannot hold a model's translations."""
    stem, dot, ending = name.rpartition(".")
    best = suffix_for(dot + ending, target_type)
    if best != dot + ending:
        raise UserError(
            f"{key}={name}, but such files cannot hold this model's translations ({target_type.describe()}) exactly; "
            f"expected {key}={stem}{best}"
        )


def _find_sources(input: str, standard_input: BinaryIO | None) -> tuple[Path, FoundImages]:
    """The files of ``input``, and the folder relative to which their paths are kept."""
    path = Path(input)
    if input == "-":
        if standard_input is None:
            raise UserError("input=- means standard input, which is closed; expected a path on each line of it")
        name = "input=- (the standard input)"
        return _listed(decode_paths(standard_input.read(), name), name)
    if os.path.isdir(path):
        images = find_images(path, recursive=True, suffixes=_ACCEPTED)
        return path, images._replace(paths=sorted(images.paths, key=_natural_order))
    if os.path.exists(path):
        if path.suffix.lower() == ".txt":
            return _listed(read_paths(path), f"input={input}")
        reason = reason_to_leave_out(path, _ACCEPTED)
        if reason is not None:
            raise UserError(f"input={input} cannot be translated: {reason}")
        if path.suffix.lower() not in _ACCEPTED:
            raise UserError(
                f"input={input} is not an image; expected a file ending in {', '.join(_ACCEPTED)}, or a .txt file of "
                f"paths"
            )
        return path.parent, FoundImages([path], {})
    if not glob.has_magic(input):
        raise UserError(f"input={input} does not exist; expected an image file, a folder of images or a pattern")
    base = next(folder for folder in path.parents if folder.is_dir())
    # Path.glob would include hidden files.
    found = glob.glob(str(path.relative_to(base)), root_dir=base, recursive=True)
    matches = {base / name for name in found}  # "**" may give one name twice
    images = _sorted_out(sorted((match for match in matches if not match.is_dir()), key=_natural_order))
    if not images.paths:
        others = f" that can be read, but {summary(images.left_out)}" if images.left_out else ""
        raise UserError(f"input={input} matches no image{others}; expected files ending in {', '.join(_ACCEPTED)}")
    return base, images


def _natural_order(path: Path) -> tuple[list[str | int], ...]:
    """A sort key that orders numbers in names by value: 1, 2, 10."""
    return tuple([int(part) if part.isdecimal() else part for part in _NUMBER.split(name)] for name in path.parts)


def _sorted_out(paths: Iterable[Path]) -> FoundImages:
    """The images among files that a pattern matches; other files, such as texts, are ignored."""
    reasons = {path: reason_to_leave_out(path, _ACCEPTED) for path in paths}
    return FoundImages(
        [path for path, reason in reasons.items() if reason is None and path.suffix.lower() in _ACCEPTED],
        {path: reason for path, reason in reasons.items() if reason is not None},
    )


def _listed(lines: Iterable[str], name: str) -> tuple[Path, FoundImages]:
    """The files of a list; missing ones are reported when they are read, and do not stop the others."""
    sources: dict[Path, None] = {}  # in order, each once
    left_out: dict[Path, str] = {}
    for line in lines:
        path = as_on_disk(Path(os.path.abspath(os.path.expanduser(line))))
        if os.path.isdir(path):
            try:
                images = find_images(path, recursive=True, suffixes=_ACCEPTED)
            except UserError as error:
                left_out[path] = str(error)
                continue
            sources |= dict.fromkeys(images.paths)
            left_out |= images.left_out
        elif path.suffix.lower() in UNREAD_SUFFIXES:
            left_out[path] = str(reason_to_leave_out(path))
        else:
            sources[path] = None
    if not sources:
        others = f" that can be read, but {summary(left_out)}" if left_out else ""
        raise UserError(f"{name} lists no files{others}; expected a path on each line")
    return Path(os.path.commonpath([source.parent for source in sources])), FoundImages(list(sources), left_out)


def _task_of(
    source: Path, base: Path, output: Path, suffix: str | None, target_type: ImageType, naming: str | None
) -> Task:
    kept = output / source.relative_to(base)
    task = Task(source, kept)
    ending = source.suffix if task.is_video else suffix or suffix_for(source.suffix, target_type)
    if naming is not None:
        parts = {"{stem}": kept.stem, "{ending}": source.suffix.removeprefix(".")}
        return Task(source, kept.with_name(_PARTS.sub(lambda found: parts[found[0]], naming) + ending))
    return task if ending == source.suffix else Task(source, kept.with_suffix(ending))


def read_batches(
    tasks: list[Task],
    batch_size: int,
    num_workers: int,
    half: Half | None = None,
    input_type: ImageType = RGB,
    check: InputCheck | None = None,
) -> Iterator[ImageBatch | Failure]:
    """Read the files of ``tasks`` in the background and group them by their size.

    Args:
        tasks: the files to read; each ends up in exactly one batch or failure.
        batch_size: largest number of images in a batch. At most four times as many wait for others of their size.
        num_workers: threads that read and decode; 0 reads on request, in this thread.
        half: the half to translate if files are A|B pairs side by side; None for files with one image.
        input_type: the images are converted to it; see ``images.lenient.convert``.
        check: returns remarks on images.

    Raises:
        UserError: for an unknown ``half``, a ``batch_size`` below 1, or a negative ``num_workers``.
    """
    check_choice("half", half, ("left", "right", None))
    check_integer("batch_size", batch_size, 1)
    check_integer("num_workers", num_workers)
    loaded = read_ahead(lambda task: read_task(task, half, input_type, check), tasks, num_workers, ahead=batch_size)
    return _grouped(loaded, batch_size)


def _grouped(reader: "Iterable[Loaded | Failure]", batch_size: int) -> Iterator[ImageBatch | Failure]:
    waiting: dict[tuple[int, ...], list[Loaded]] = {}
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


class Loaded(NamedTuple):
    """An image that was read.

    Attributes:
        task: of the file.
        image: (H, W, planes).
        other_half: (H, W, planes) of the other half of a side-by-side file, or None.
        remarks: on the image; each completes a sentence that starts with "3 images".
        metadata: of its file, such as resolution and colour profile.
    """

    task: Task
    image: np.ndarray
    other_half: np.ndarray | None
    remarks: list[str]
    metadata: ImageMetadata


def read_task(
    task: Task, half: Half | None = None, input_type: ImageType = RGB, check: InputCheck | None = None
) -> Loaded | Failure:
    """Read one file; see ``read_batches``."""
    try:
        decoded, note = convert(decode_file(task.source), input_type)
        image = fit(decoded, input_type, str(task.source))
        halves = [image] if half is None else _split(task.source, image, half)
        arrays = [input_type.finish(part) for part in halves]
        remarks = [f"were {note}, since the network was trained on others"] if note else []
        if check is not None and (remark := check(arrays[0])):
            remarks.append(remark)
        return Loaded(task, arrays[0], arrays[1] if half else None, remarks, ImageMetadata.read(task.source))
    except UserError as error:
        return Failure(task, str(error))


def _stack(group: list[Loaded]) -> ImageBatch:
    tasks, images, other_halves, remarks, metadata = zip(*group, strict=True)
    others = None if other_halves[0] is None else np.stack(other_halves)
    return ImageBatch(list(tasks), np.stack(images), others, list(remarks), list(metadata))


def _split(path: Path, image: np.ndarray, half: Half) -> tuple[np.ndarray, np.ndarray]:
    """The requested half of a side-by-side image, and the other one."""
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
                f"{source_of[target]} and {source} would both be translated into {target}; expected different "
                f"names: pass naming={{stem}}_{{ending}}, which makes them "
                f"{source_of[target].stem}_{source_of[target].suffix.removeprefix('.')}{target.suffix} and "
                f"{source.stem}_{source.suffix.removeprefix('.')}{target.suffix}"
            )
        if target.resolve() in inputs:
            raise UserError(f"the translation {target} would overwrite an input; choose another output folder")
        source_of[target] = source
