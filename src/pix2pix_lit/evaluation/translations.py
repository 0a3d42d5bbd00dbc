"""Translations to score, with their targets: made by a model, or read from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import PairIndex, evenly_spread
from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.data.sources.matching import name_in
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.images.files import decode_file
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.lenient import convert
from pix2pix_lit.images.listing import find_images
from pix2pix_lit.images.strict import fit
from pix2pix_lit.inference import Translator


@dataclass(frozen=True)
class Translated:
    """A batch of translations.

    Attributes:
        names: of the images.
        generated: (N, planes, H, W) of the target's type, on the CPU.
        target: the same, the real images.
        input: (N, planes, H, W) of the input's type, or None where inputs are not known.
    """

    names: list[str]
    generated: Tensor
    target: Tensor
    input: Tensor | None


class Translations(Protocol):
    """Translations of a list of images.

    Attributes:
        count: of the images.
        available: how many there are, of which these may be a part, spread evenly.
        input_type: of the inputs; None where they are not known.
        target_type: of targets and translations.
        smallest_size: smallest height and smallest width of an image.
    """

    count: int
    available: int
    smallest_size: tuple[int, int]
    input_type: ImageType | None
    target_type: ImageType

    def __iter__(self) -> Iterator[Translated]:
        """All of them, in batches of images of one size."""
        ...

    def protocol(self) -> dict[str, Any]:
        """Plain values that say how the translations were made."""
        ...


class ModelTranslations:
    """Translations of a data set's validation pairs by a model.

    Args:
        translator: the model.
        datamodule: after ``setup``.
        limit: largest number of images, spread evenly over the split; None for all.

    Raises:
        UserError: if the model is for images of another type than those of the data set.
    """

    def __init__(self, translator: Translator, datamodule: PairsDataModule, limit: int | None) -> None:
        for side, theirs, ours in (
            ("input", translator.input_type, datamodule.input_type),
            ("target", translator.target_type, datamodule.target_type),
        ):
            if (theirs.kind, theirs.channels, theirs.dtype, theirs.classes) != (
                *(ours.kind, ours.channels, ours.dtype, ours.classes),
            ):
                raise UserError(
                    f"the model's {side}s are {theirs.describe()}, but the {side}s of the data set are "
                    f"{ours.describe()}; expected the data that the model was trained for: set data and data.direction"
                )
        self.translator, self.datamodule = translator, datamodule
        self.input_type: ImageType | None = datamodule.input_type
        self.target_type = datamodule.target_type
        self.available = len(datamodule.val_pairs)
        self._indices = evenly_spread(self.available, limit or self.available)
        self.count = len(self._indices)
        self.smallest_size = height_and_width(datamodule.crop_size, "data.crop_size")

    def __iter__(self) -> Iterator[Translated]:
        size = self.datamodule.val_batch_size
        for start in range(0, len(self._indices), size):
            batch = self.datamodule.val_pairs[[PairIndex(0, index) for index in self._indices[start : start + size]]]
            yield Translated(batch["name"], self.translator(batch["input"]), batch["target"], batch["input"])

    def protocol(self) -> dict[str, Any]:
        module, metadata = self.datamodule, self.translator.metadata
        height, width = height_and_width(module.crop_size, "data.crop_size")
        return {
            "data": module.describe() | {"split": module.val_split},
            "size": [height, width],
            "resampling": module.hparams["resampling"],
            "label_resampling": module.hparams["label_resampling"],
            "model": None if metadata is None else dict(metadata.training),
            "norm_inference": None if metadata is None else metadata.norm_inference,
            "dropout": False,
        }


class FolderTranslations:
    """Translations that somebody made, beside their targets: files of the same names in two or three folders.

    Args:
        generated: folder of the translations.
        target: folder of the real images.
        input: folder of the inputs; None where they are not known.
        target_type: of targets and translations.
        input_type: of inputs.
        size: that all images are resized to; None for their own, which must be the same for both of a pair.
        limit: largest number of images, spread evenly; None for all.
        batch_size: images of one size that are scored together.

    Raises:
        UserError: if a folder has no images, or an image no partner.
    """

    def __init__(
        self,
        generated: Path,
        target: Path,
        input: Path | None,
        target_type: ImageType,
        input_type: ImageType,
        size: Size | None,
        limit: int | None,
        batch_size: int,
    ) -> None:
        folders = {"generated": generated, "target": target} | ({} if input is None else {"input": input})
        files = {side: _files_by_name(folder) for side, folder in folders.items()}
        missing = [name for name in files["generated"] if any(name not in others for others in files.values())]
        if missing:
            raise UserError(
                f"{len(missing)} of {len(files['generated'])} images in {generated} ({first_few(missing, 3)}) have no "
                f"partner of the same name in {' or '.join(str(folder) for folder in [*folders.values()][1:])}; "
                f"expected one for every generated image"
            )
        self.available = len(files["generated"])
        order = sorted(files["generated"])
        self._names = [order[index] for index in evenly_spread(len(order), limit or len(order))]
        self.count = len(self._names)
        self.input_type = None if input is None else input_type
        self.target_type = target_type
        self._files, self._batch_size = files, batch_size
        self._size = None if size is None else height_and_width(size, "size")
        sizes = [self._size] if self._size else [_size_of(files["target"][name]) for name in self._names]
        self.smallest_size = min(height for height, _ in sizes), min(width for _, width in sizes)

    def __iter__(self) -> Iterator[Translated]:
        waiting: list[tuple[str, dict[str, np.ndarray]]] = []
        for name in self._names:
            images = {side: self._read(side, paths[name]) for side, paths in self._files.items()}
            shapes = {side: image.shape[:2] for side, image in images.items()}
            if len(set(shapes.values())) > 1:
                found = ", ".join(f"{side} {height}x{width}" for side, (height, width) in shapes.items())
                raise UserError(
                    f"the images called {name} differ in size ({found}, height x width); expected the same: set "
                    f"size=N or size=[HEIGHT,WIDTH] to resize them all"
                )
            if waiting and (
                len(waiting) == self._batch_size or waiting[0][1]["target"].shape != images["target"].shape
            ):
                yield _stacked(waiting)
                waiting = []
            waiting.append((name, images))
        if waiting:
            yield _stacked(waiting)

    def protocol(self) -> dict[str, Any]:
        return {
            "size": None if self._size is None else list(self._size),
            "resampling": None if self._size is None else "opencv: area if both sides shrink, else bicubic",
            "model": None,
        }

    def _read(self, side: str, path: Path) -> np.ndarray:
        image_type = self.input_type if side == "input" else self.target_type
        assert image_type is not None
        decoded, _ = convert(decode_file(path), image_type)
        image = fit(decoded, image_type, str(path))
        if self._size is None or image.shape[:2] == self._size:
            return image
        height, width = self._size
        filter = cv2.INTER_AREA if height <= image.shape[0] and width <= image.shape[1] else cv2.INTER_CUBIC
        filter = cv2.INTER_NEAREST if image_type.is_labels else filter
        return cv2.resize(image, (width, height), interpolation=filter).reshape(height, width, -1)


def _files_by_name(folder: Path) -> dict[str, Path]:
    return {name_in(folder, path): path for path in find_images(folder, recursive=True).paths}


def _size_of(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            width, height = image.size
            return height, width
    except (OSError, ValueError, Image.DecompressionBombError):  # not a format of Pillow's, or damaged
        height, width = decode_file(path).pixels.shape[:2]
        return height, width


def _stacked(named: list[tuple[str, dict[str, np.ndarray]]]) -> Translated:
    sides = {
        side: torch.from_numpy(np.stack([images[side] for _, images in named])).permute(0, 3, 1, 2)
        for side in named[0][1]
    }
    return Translated([name for name, _ in named], sides["generated"], sides["target"], sides.get("input"))
