"""Chooses the images on which an export is checked and calibrated."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.data.dataset import evenly_spread
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import CLASS_NAMES, ID_VALUES
from pix2pix_lit.inference.background import read_ahead
from pix2pix_lit.inference.files import Failure, Half, find_inputs, read_task

SYNTHETIC = "synthetic, since images is not set"


class Inputs(NamedTuple):
    """Inputs of an export.

    Attributes:
        compared: (H, W, planes) images on which the file is compared with the generator.
        calibration: other images on which ranges and statistics are measured; the same ones if there are too few.
        origin: description of where ``compared`` comes from.
    """

    compared: list[np.ndarray]
    calibration: list[np.ndarray]
    origin: str


def choose_inputs(
    metadata: GeneratorMetadata, images: str | None, half: Half | None, count: int, calibration_count: int
) -> Inputs:
    """Images to compare on, and others to calibrate with: accuracy is measured on images not used for calibration.

    Args:
        metadata: of the generator.
        images: where to read them, as for ``read_inputs``; None for synthetic ones.
        half: of side-by-side files.
        count: images to compare on.
        calibration_count: images to calibrate with; 0 for none.

    Raises:
        UserError: as ``read_inputs``.
    """
    if images is None:
        side = max(metadata.size_multiple, metadata.smallest_side, 64)
        sizes = [side, side + side // 4 + 1]  # the second one needs padding
        drawn = [draw_inputs(metadata.input, size, -(-count // 2)) for size in sizes]
        return Inputs([image for group in drawn for image in group][:count], [], SYNTHETIC)
    found = read_inputs(images, half, metadata.input, count + calibration_count)
    origin = f"of {Path(images).name}"
    if not calibration_count:
        return Inputs(found, found, origin)
    compared = min(count, max(1, len(found) // 2))
    held_out = {int(i * len(found) / compared) for i in range(compared)}
    calibration = [image for i, image in enumerate(found) if i not in held_out]
    if not calibration:
        return Inputs(found, found, f"{origin}, also used for calibration")
    return Inputs([found[i] for i in sorted(held_out)], calibration, f"{origin}, not used for calibration")


def read_inputs(images: str, half: Half | None, input_type: ImageType, count: int) -> list[np.ndarray]:
    """Inputs of a network from files, evenly spread over them.

    Args:
        images: a file, a folder, a pattern or a list, as for predict.
        half: which half of side-by-side files.
        input_type: of the network.
        count: largest number of images.

    Returns:
        (H, W, planes) arrays of ``input_type``, of any sizes.

    Raises:
        UserError: if one cannot be read, since reports state which images were used.
    """
    # Nothing is written to the output folder, which only must differ from the input.
    found = find_inputs(images, str(Path(images).parent / ".none"))
    tasks = [task for task in found.tasks if not task.is_video]
    if not tasks:
        raise UserError(f"images={images} holds no image; expected inputs of the network")
    chosen = [tasks[index] for index in evenly_spread(len(tasks), count)]
    inputs = []
    for loaded in read_ahead(lambda task: read_task(task, half, input_type), chosen, threads=2, ahead=8):
        if isinstance(loaded, Failure):
            raise UserError(f"images: {loaded.message}")
        inputs.append(loaded.image)
    return inputs


def draw_inputs(input_type: ImageType, size: int, count: int) -> list[np.ndarray]:
    """Synthetic inputs of any type: street labels if they fit the type, otherwise random shapes.

    Args:
        input_type: of the network.
        size: height and width, at least 32.
        count: number of images.
    """
    streets = StreetsSource(split="val", size=min(max(size, 32), 4096), val_length=count)
    is_cityscapes = input_type.classes == len(CLASS_NAMES) + 1 and input_type.values in (None, *ID_VALUES)
    inputs = []
    for index in range(count):
        if input_type.planes == 3 and input_type.dtype == "uint8" and input_type.classes is None:
            pair = streets[index]
            inputs.append(pair.a if input_type.kind == "continuous" and index % 2 else pair.b)
        elif is_cityscapes and not input_type.instance_edges:
            inputs.append(streets.label_ids(index)[..., None].astype(input_type.dtype))
        else:
            inputs.append(_random_shapes(input_type, size, np.random.default_rng(index)))
    return inputs


def _random_shapes(input_type: ImageType, size: int, rng: np.random.Generator) -> np.ndarray:
    """Overlapping rectangles, each of a single value."""
    image = np.zeros((size, size, input_type.planes), input_type.dtype)
    for _ in range(40):
        top, left = rng.integers(0, size, 2)
        height, width = rng.integers(1, size // 2 + 1, 2)
        image[top : top + height, left : left + width] = _random_pixel(input_type, rng)
    return image


def _random_pixel(input_type: ImageType, rng: np.random.Generator) -> np.ndarray:
    low, high = input_type.limits
    channels: np.ndarray
    if input_type.classes is not None:
        channels = rng.integers(0, input_type.classes, 1)
    elif input_type.is_labels:
        colors = input_type.palette_colors
        channels = rng.integers(0, 256, 3) if colors is None else rng.choice(colors)
    else:
        channels = rng.uniform(low, high, input_type.channels)
    edge = rng.integers(0, 2, int(input_type.instance_edges)) * 255
    return np.concatenate([channels, edge]).astype(input_type.dtype)
