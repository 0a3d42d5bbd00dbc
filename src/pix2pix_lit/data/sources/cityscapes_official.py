"""Cityscapes as distributed: photos and annotations in two folder trees."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pix2pix_lit.checks import check_choice
from pix2pix_lit.data.pair import Pair, PairSource, SizeMismatchError
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import split_folder
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.listing import find_images
from pix2pix_lit.images.palettes import PALETTES

log = logging.getLogger(__name__)

Labels = Literal["color", "train_ids", "label_ids"]

_TYPES: dict[str, ImageType] = {
    "color": ImageType(kind="colors", palette="cityscapes"),
    "train_ids": ImageType(kind="ids", channels=1, classes=20, values="cityscapes_train_ids", palette="cityscapes"),
    "label_ids": ImageType(
        kind="ids", channels=1, classes=35, values="cityscapes_label_ids", palette="cityscapes_label_ids"
    ),
}


class CityscapesOfficialSource(PairSource):
    """Photos (a) and labels (b), matched and sorted by city, sequence and frame::

        root
        ├── leftImg8bit
        │   ├── train
        │   │   └── aachen
        │   │       └── aachen_000000_000019_leftImg8bit.png
        │   └── val
        └── gtFine
            ├── train
            │   └── aachen
            │       └── aachen_000000_000019_gtFine_labelIds.png
            └── val

    Without a ``*_gtFine_labelIds.png`` file, ``*_gtFine_instanceIds.png`` is used, which contains the label ids; with
    ``instance_edges`` it is always used. ``*_gtFine_color.png``, with the colours of 29 classes, is not read. Each of
    the two trees may be in a folder with the name of its archive, such as ``gtFine_trainvaltest``.

    Args:
        root: the folder with ``leftImg8bit`` and ``gtFine``.
        split: ``train`` or ``val``; the labels of ``test`` are not public.
        labels: ``color`` for the colours of the 19 evaluated classes and black, ``train_ids`` for the numbers of
            these 20 classes, ``label_ids`` for those of all 35; see ``palettes.ID_VALUES``.
        instance_edges: whether the last plane of b holds instance numbers, which ``ImageType`` turns into edges.

    Raises:
        UserError: if a folder is missing, if no photo has a partner, or if two files are of one frame.
    """

    def __init__(self, root: str | None, split: str, labels: Labels = "color", instance_edges: bool = False) -> None:
        check_choice("data.source.labels", labels, _TYPES)
        self.a, self.b = RGB, replace(_TYPES[labels], instance_edges=instance_edges)
        self.labels = labels
        trees = _trees(root, "leftImg8bit", "gtFine")
        with explained_by_layout(root):
            photo_folder, annotation_folder = (split_folder(str(folder), split) for folder in trees)
        photo_files, annotation_files = (
            find_images(folder, recursive=True) for folder in (photo_folder, annotation_folder)
        )
        self.left_out = photo_files.left_out | annotation_files.left_out
        photos = _by_frame(photo_files.paths, "leftImg8bit")
        kinds = ["instanceIds"] if instance_edges else ["instanceIds", "labelIds"]
        annotations: dict[str, Path] = {}
        for kind in kinds:  # label ids last: 8 bits are read faster than 16
            annotations |= _by_frame(annotation_files.paths, f"gtFine_{kind}")
        both = photos.keys() & annotations.keys()
        frames = sorted(both)
        wanted = " or ".join(f"*_gtFine_{kind}.png" for kind in reversed(kinds))
        if not frames:
            raise UserError(
                f"none of {len(photos)} photos *_leftImg8bit.png in {photo_folder} has a partner among "
                f"{len(annotations)} files {wanted} in {annotation_folder}; expected both for city_sequence_frame: "
                f"unzip gtFine_trainvaltest.zip"
                + (", or set data.source.instance_edges=false" if instance_edges else "")
            )
        self.photos, self.annotations = (Paths(side[frame] for frame in frames) for side in (photos, annotations))
        self.missing = Paths(
            path for side in (photos, annotations) for frame, path in sorted(side.items()) if frame not in both
        )
        if self.missing:
            log.warning(
                "%d of %d files have no partner (*_leftImg8bit.png with %s) and are left out: %s",
                len(self.missing),
                len(photos) + len(annotations),
                wanted,
                first_few(self.missing),
            )

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Pair:
        photo_path, annotation_path = self.files(index)
        photo, labels = read_image(photo_path, self.a), self._read_labels(annotation_path)
        if photo.shape[:2] != labels.shape[:2]:
            raise SizeMismatchError(
                f"{photo_path} is {photo.shape[1]}x{photo.shape[0]} pixels (width x height) but its partner "
                f"{annotation_path} is {labels.shape[1]}x{labels.shape[0]}; expected equal sizes, as in the archives: "
                f"unzip them again"
            )
        return Pair(photo, labels, photo_path.name)

    def files(self, index: int) -> tuple[Path, Path]:
        return self.photos[index], self.annotations[index]

    @property
    def settings(self) -> dict[str, Any]:
        return {"layout": "cityscapes_official", "labels": self.labels, "instance_edges": self.b.instance_edges}

    def _read_labels(self, path: Path) -> np.ndarray:
        """(H, W, planes of b) uint8, or uint16 with instance numbers."""
        if self.labels != "color":
            return read_image(path, self.b)
        classes = read_image(path, replace(_TYPES["train_ids"], instance_edges=self.b.instance_edges))
        colors = PALETTES["cityscapes"].take(classes[..., 0], axis=0)
        return np.concatenate([colors, classes[..., 1:]], -1)


def _by_frame(paths: list[Path], ending: str) -> dict[str, Path]:
    """The files with a stem city_sequence_frame_ending, by city_sequence_frame."""
    files: dict[str, Path] = {}
    for path in paths:
        frame = path.stem.removesuffix(f"_{ending}")
        if frame == path.stem:
            continue
        if frame in files:
            raise UserError(
                f"{files[frame]} and {path} are both of frame {frame}; expected one file a frame: remove one of them"
            )
        files[frame] = path
    return files


def _trees(root: str | None, *names: str) -> list[Path]:
    """The folders with these names in root."""
    with explained_by_layout(root):
        top = split_folder(root, "")
    places = {name: (top / name, top / f"{name}_trainvaltest" / name) for name in names}
    found = {name: folder for name, folders in places.items() for folder in folders[::-1] if folder.is_dir()}
    if len(found) == len(names):
        return [found[name] for name in names]
    if top.resolve().name in names:
        raise UserError(
            f"{top} is one of the folders {' and '.join(names)}; expected the one that holds both: pass "
            f"data.root={top.resolve().parent}"
        )
    there = ", ".join(sorted(entry.name for entry in top.iterdir() if entry.is_dir())) or "none"
    absent = [name for name in names if name not in found]
    archives = " and ".join(f"{name}_trainvaltest.zip" for name in absent)
    with explained_by_layout(root, aligned="cityscapes"):
        raise UserError(
            f"{top} has no folder {' or '.join(absent)} (its folders: {there}); expected {' and '.join(names)} as "
            f"Cityscapes is distributed: check data.root, or unzip {archives} there; csDownload of the package "
            f"cityscapesscripts downloads them if you have an account at www.cityscapes-dataset.com"
        )
