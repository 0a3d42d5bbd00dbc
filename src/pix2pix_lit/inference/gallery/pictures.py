"""Pictures for grids and the gallery, read back from inputs and translations."""

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
    """Caption -> (H, W, 3) uint8 RGB of a task's images, its translation among them.

    Args:
        task: a file that was translated.
        half: as it was translated; the other half is the target.
        translator: what translated it.
        deviations: the folder of the translations, if they have maps of deviations.

    Returns:
        The pictures; none if it is a video, or if its files cannot be read any more.
    """
    if task.is_video:
        return {}
    loaded = read_task(task, half, translator.input_type)
    if isinstance(loaded, Failure):
        return {}
    target_type = translator.target_type
    # Files of a named table of values hold the class numbers themselves.
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
    """Caption -> the file that a picture is from."""
    files = {"input": task.source, "generated": task.target}
    return files if deviations is None else files | {"deviation": deviation_path(task, deviations)}


def _picture_of_other_half(image: np.ndarray, translator: Translator) -> np.ndarray:
    # The other half has the dtype of the input, as both are in one file.
    same = image.shape[-1] == translator.target_type.planes and image.dtype == translator.target_type.dtype
    return (translator.target_type if same else translator.input_type).picture(image)
