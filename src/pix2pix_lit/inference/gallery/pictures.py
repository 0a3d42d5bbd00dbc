"""Reads inputs and translations back as pictures for grids and the gallery."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.inference.files import Failure, Half, Task, read_task
from pix2pix_lit.inference.prediction import deviation_path
from pix2pix_lit.inference.translator import Translator


def pictures_of(
    task: Task, half: Half | None, translator: Translator, deviations: Path | None = None
) -> dict[str, np.ndarray]:
    """The input, the translations and the target of a task as pictures: caption -> (H, W, 3) uint8 RGB.

    Args:
        task: a file that was translated.
        half: the half that was translated; the other half is the target.
        translator: the translator that was used.
        deviations: the folder of the translations, if they have maps of deviations.

    Returns:
        The pictures; none for a video, or if the files cannot be read any more.
    """
    if task.is_video:
        return {}
    loaded = read_task(task, half, translator.input_type)
    if isinstance(loaded, Failure):
        return {}
    target_type = translator.target_type
    # With a named table of values, the translations hold the values of the table.
    in_files = replace(target_type, values=None) if isinstance(target_type.values, str) else target_type
    if in_files.instance_edges:
        in_files = replace(in_files, instance_edges=False)
    try:
        generated = read_image(task.target, in_files)
        pictures = {"input": translator.input_type.picture(loaded.image), "generated": in_files.picture(generated)}
        if deviations is not None:
            pictures["deviation"] = read_image(deviation_path(task, deviations))
    except UserError:
        return {}
    if loaded.other_half is not None:
        pictures["target"] = _picture_of_other_half(loaded.other_half, translator)
    return pictures


def files_of(task: Task, deviations: Path | None = None) -> dict[str, Path]:
    """Caption -> the file that a picture was read from."""
    files = {"input": task.source, "generated": task.target}
    return files if deviations is None else files | {"deviation": deviation_path(task, deviations)}


def _picture_of_other_half(image: np.ndarray, translator: Translator) -> np.ndarray:
    # The other half has the dtype of the input, since both are in the same file.
    same = image.shape[-1] == translator.target_type.planes and image.dtype == translator.target_type.dtype
    return (translator.target_type if same else translator.input_type).picture(image)
