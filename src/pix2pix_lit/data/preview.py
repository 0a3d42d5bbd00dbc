"""Pairs as the network sees them, before and after augmentation: pix2pix-lit preview data=..."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import command

if TYPE_CHECKING:
    import numpy as np

    from pix2pix_lit.data import PairsDataModule
    from pix2pix_lit.data.dataset import PairDataset
    from pix2pix_lit.images.grid import Group

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/preview.yaml`` that belong to no group."""

    output: FilePath
    count: int
    epochs: int
    seed: int


def preview(config: DictConfig) -> None:
    """Draw the grid that ``configs/preview.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the data cannot be used, and for a ``count`` below 1 or ``epochs`` below 0.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from hydra.utils import instantiate

    from pix2pix_lit.data.dataset import evenly_spread
    from pix2pix_lit.images.files import write_image
    from pix2pix_lit.images.grid import draw_grid

    if not config.output:
        raise UserError("output is not set; expected the folder for pairs.png: pass output=FOLDER")
    for key, least in (("count", 1), ("epochs", 0)):
        check_integer(key, config[key], least)
    datamodule = instantiate(config.data, cache="none", _convert_="all")  # no cache for a few pairs
    datamodule.setup("fit")
    indices = evenly_spread(len(datamodule.train_pairs), config.count)
    path = Path(config.output) / "pairs.png"
    columns = as_network_sees(datamodule, indices, config.epochs)
    source = datamodule.build_source(datamodule.train_split)
    names = [source[index].name for index in indices]
    heading = f"{len(indices)} of {len(source)} pairs of the split {datamodule.train_split}, {datamodule.direction}"
    write_image(path, draw_grid(grouped(columns, names, datamodule.direction), heading))
    log.info("%d training pairs written to %s", len(indices), path)


def as_network_sees(datamodule: PairsDataModule, indices: Sequence[int], epochs: int) -> dict[str, list[np.ndarray]]:
    """Training pairs in columns: original files, without augmentation, and augmented as in the first epochs.

    Args:
        datamodule: after ``setup``.
        indices: of the pairs.
        epochs: number of epochs.

    Returns:
        Caption -> (H, W, 3) uint8 RGB of each pair. Original files are downsampled to the longer side of the crop.

    Raises:
        UserError: if one of the pairs cannot be read.
    """
    from pix2pix_lit.data.dataset import PairIndex

    fixed = datamodule.fixed_train_pairs()
    source = datamodule.build_source(datamodule.train_split)
    columns: dict[str, list[np.ndarray]] = {}

    def add(pairs: PairDataset, index: PairIndex, suffix: str) -> None:
        batch = pairs[[index]]
        for caption, images, image_type in (
            (f"input{suffix}", batch["input"], pairs.input_type),
            (f"target{suffix}", batch["target"], pairs.target_type),
        ):
            columns.setdefault(caption, []).append(image_type.picture(images[0].permute(1, 2, 0).numpy()))

    for index in indices:
        for caption, picture in zip("AB", source.pictures(source[index]), strict=True):
            columns.setdefault(caption, []).append(picture)
        add(fixed, PairIndex(0, index), "")
        for epoch in range(epochs):
            add(datamodule.train_pairs, PairIndex(epoch, index), f", epoch {epoch}")
    longest = max(columns["input"][0].shape)
    return {
        caption: [fitted(image, longest) for image in images] if caption in ("A", "B") else images
        for caption, images in columns.items()
    }


def grouped(columns: Mapping[str, Sequence[np.ndarray]], names: Sequence[str], direction: str) -> list[Group]:
    """The columns of ``as_network_sees`` by pair: a row of inputs above a row of targets."""
    from pix2pix_lit.images.grid import Group

    rows = []
    for letter, side in zip(direction.split("to"), ("input", "target"), strict=True):
        own = {f"{letter}, file": columns[letter], side: columns[side]}
        prefix = f"{side}, "
        own |= {name.removeprefix(prefix): images for name, images in columns.items() if name.startswith(prefix)}
        rows.append(own)
    return [
        Group(name, [{caption: images[number] for caption, images in row.items()} for row in rows])
        for number, name in enumerate(names)
    ]


def fitted(picture: np.ndarray, longest: int) -> np.ndarray:
    """(H, W, 3) uint8, downsampled if a side is longer."""
    import cv2

    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


main = command("preview", Keys, required=["data", "output"])(preview)

if __name__ == "__main__":
    main()
