"""The classes of data sets and their colours.

Those of Cityscapes are from cityscapesScripts, ``cityscapesscripts/helpers/labels.py``.
"""

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np


class Label(IntEnum):
    """Train ids of the 19 evaluated classes, and VOID for every pixel that is not evaluated."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    WALL = 3
    FENCE = 4
    POLE = 5
    TRAFFIC_LIGHT = 6
    TRAFFIC_SIGN = 7
    VEGETATION = 8
    TERRAIN = 9
    SKY = 10
    PERSON = 11
    RIDER = 12
    CAR = 13
    TRUCK = 14
    BUS = 15
    TRAIN = 16
    MOTORCYCLE = 17
    BICYCLE = 18
    VOID = 255


class CityscapesLabel(NamedTuple):
    """One of the classes that are annotated in Cityscapes.

    Attributes:
        name: as in cityscapesScripts.
        id: value in ``*_labelIds.png`` files; -1 for a class that occurs in the polygons only.
        train_id: ``Label`` of the class that it is evaluated as.
        color: RGB, as in ``*_color.png`` files.
    """

    name: str
    id: int
    train_id: Label
    color: tuple[int, int, int]


CITYSCAPES_LABELS = (
    CityscapesLabel("unlabeled", 0, Label.VOID, (0, 0, 0)),
    CityscapesLabel("ego vehicle", 1, Label.VOID, (0, 0, 0)),
    CityscapesLabel("rectification border", 2, Label.VOID, (0, 0, 0)),
    CityscapesLabel("out of roi", 3, Label.VOID, (0, 0, 0)),
    CityscapesLabel("static", 4, Label.VOID, (0, 0, 0)),
    CityscapesLabel("dynamic", 5, Label.VOID, (111, 74, 0)),
    CityscapesLabel("ground", 6, Label.VOID, (81, 0, 81)),
    CityscapesLabel("road", 7, Label.ROAD, (128, 64, 128)),
    CityscapesLabel("sidewalk", 8, Label.SIDEWALK, (244, 35, 232)),
    CityscapesLabel("parking", 9, Label.VOID, (250, 170, 160)),
    CityscapesLabel("rail track", 10, Label.VOID, (230, 150, 140)),
    CityscapesLabel("building", 11, Label.BUILDING, (70, 70, 70)),
    CityscapesLabel("wall", 12, Label.WALL, (102, 102, 156)),
    CityscapesLabel("fence", 13, Label.FENCE, (190, 153, 153)),
    CityscapesLabel("guard rail", 14, Label.VOID, (180, 165, 180)),
    CityscapesLabel("bridge", 15, Label.VOID, (150, 100, 100)),
    CityscapesLabel("tunnel", 16, Label.VOID, (150, 120, 90)),
    CityscapesLabel("pole", 17, Label.POLE, (153, 153, 153)),
    CityscapesLabel("polegroup", 18, Label.VOID, (153, 153, 153)),
    CityscapesLabel("traffic light", 19, Label.TRAFFIC_LIGHT, (250, 170, 30)),
    CityscapesLabel("traffic sign", 20, Label.TRAFFIC_SIGN, (220, 220, 0)),
    CityscapesLabel("vegetation", 21, Label.VEGETATION, (107, 142, 35)),
    CityscapesLabel("terrain", 22, Label.TERRAIN, (152, 251, 152)),
    CityscapesLabel("sky", 23, Label.SKY, (70, 130, 180)),
    CityscapesLabel("person", 24, Label.PERSON, (220, 20, 60)),
    CityscapesLabel("rider", 25, Label.RIDER, (255, 0, 0)),
    CityscapesLabel("car", 26, Label.CAR, (0, 0, 142)),
    CityscapesLabel("truck", 27, Label.TRUCK, (0, 0, 70)),
    CityscapesLabel("bus", 28, Label.BUS, (0, 60, 100)),
    CityscapesLabel("caravan", 29, Label.VOID, (0, 0, 90)),
    CityscapesLabel("trailer", 30, Label.VOID, (0, 0, 110)),
    CityscapesLabel("train", 31, Label.TRAIN, (0, 80, 100)),
    CityscapesLabel("motorcycle", 32, Label.MOTORCYCLE, (0, 0, 230)),
    CityscapesLabel("bicycle", 33, Label.BICYCLE, (119, 11, 32)),
    CityscapesLabel("license plate", -1, Label.VOID, (0, 0, 142)),
)

VOID_ID = int(Label.VOID)
_EVALUATED = sorted(
    (label for label in CITYSCAPES_LABELS if label.train_id != VOID_ID), key=lambda label: label.train_id
)
CLASS_NAMES = tuple(label.name for label in _EVALUATED)
NUM_CLASSES = len(CLASS_NAMES)

COLORS = np.array([label.color for label in _EVALUATED], np.uint8)
"""(19, 3) uint8 RGB, indexed by train id."""

FACADES: dict[str, tuple[int, int, int]] = {
    "background": (0, 0, 222),
    "facade": (0, 48, 255),
    "window": (0, 128, 255),
    "door": (0, 207, 255),
    "cornice": (32, 255, 224),
    "sill": (112, 255, 143),
    "balcony": (192, 255, 63),
    "blind": (255, 240, 0),
    "deco": (255, 159, 0),
    "molding": (255, 80, 0),
    "pillar": (255, 0, 0),
    "shop": (174, 0, 0),
}
"""The classes of the CMP Facade Database (Tylecek, research report CTU-CMP-2012-24), in the RGB of the pix2pix archive.

Measured: the modes of flat regions over all 400 training files of facades.tar.gz, which are JPEG. They are MATLAB's
jet(64) at 1 + 5 * class, for the classes 1 to 12 in the database's order, which gives the names; the shares of flat
pixels agree: .35 background, .43 facade, .07 window, and at most .05 for each other class. The database's own files use
other colours, jet(12), which are up to 52 units away.
"""

_VOID_COLOR = (0, 0, 0)
_drawn = [label for label in CITYSCAPES_LABELS if label.id >= 0]
_evaluated_and_void = [*(label.color for label in _EVALUATED), _VOID_COLOR]

PALETTES: dict[str, np.ndarray] = {
    name: np.array(colors, np.uint8)
    for name, colors in {
        "cityscapes": _evaluated_and_void,
        "cityscapes_all": list(dict.fromkeys([*_evaluated_and_void, *(label.color for label in _drawn)])),
        "cityscapes_label_ids": [*(label.color for label in _drawn), _VOID_COLOR],
        "facades": list(FACADES.values()),
    }.items()
}
"""Named palettes, each (number of colours, 3) uint8 RGB.

``cityscapes`` has the 19 evaluated classes and void, ``cityscapes_all`` these 20 and the 9 more that ``*_color.png``
files and the pix2pix archive show, ``cityscapes_label_ids`` the classes of the ``ID_VALUES`` of this name.
"""

_name_of_color = {label.color: label.name for label in reversed((*_EVALUATED, *_drawn))} | {_VOID_COLOR: "void"}

PALETTE_NAMES: dict[str, tuple[str, ...]] = {
    "cityscapes": (*CLASS_NAMES, "void"),
    "cityscapes_all": tuple(
        _name_of_color[red, green, blue] for red, green, blue in PALETTES["cityscapes_all"].tolist()
    ),
    "cityscapes_label_ids": (*(label.name for label in _drawn), "void"),
    "facades": tuple(FACADES),
}
"""The class that each colour of a palette stands for."""

ID_VALUES: dict[str, dict[int, int]] = {
    "cityscapes_train_ids": {label.id: int(min(label.train_id, NUM_CLASSES)) for label in _drawn}
    | {VOID_ID: NUM_CLASSES},
    "cityscapes_label_ids": {label.id: label.id for label in _drawn} | {VOID_ID: len(_drawn)},
}
"""Named tables for the values of label files: value in the file -> class number.

Both are for the label ids of Cityscapes, 0 to 33 and 255 (-1 in 8 bits), and for its instance ids:
``cityscapes_train_ids`` maps them to 20 classes, the last for everything that is not evaluated, and
``cityscapes_label_ids`` to 35, the last for 255 (the ``label_nc`` of pix2pixHD and SPADE).
"""

_class_of_color = {label.color: int(min(label.train_id, NUM_CLASSES)) for label in (*_drawn, *_EVALUATED)}

COLOR_VALUES: dict[str, tuple[str, tuple[int, ...]]] = {
    "cityscapes_colors": (
        "cityscapes_all",
        tuple(_class_of_color[red, green, blue] for red, green, blue in PALETTES["cityscapes_all"].tolist()),
    )
}
"""Named tables for label files that show classes as RGB colours: a palette, and the class of each of its colours.

``cityscapes_colors`` is for ``*_color.png`` files and the pix2pix archive; its 20 classes are those of
``cityscapes_train_ids``. A pixel has the class of the palette's nearest colour. Two colours stand for two classes each:
(153, 153, 153) counts as pole, not as pole group, and (0, 0, 142) as car, not as license plate.
"""

for _table in (COLORS, *PALETTES.values()):
    _table.flags.writeable = False

_FIRST_INSTANCE = 1000
_COLOR_OF_ID = np.zeros((256, 3), np.uint8)
_COLOR_OF_ID[:NUM_CLASSES] = COLORS


def _packed(colors: np.ndarray) -> np.ndarray:
    red, green, blue = (colors[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def label_ids_of(instance_ids: np.ndarray) -> np.ndarray:
    """Instance or label ids of Cityscapes (..., integers) -> label ids of the same dtype.

    Values below 1000 are label ids, others are 1000 * label id + number (cityscapesScripts, ``json2instanceImg.py``).
    """
    if instance_ids.max(initial=0) < _FIRST_INSTANCE:
        return instance_ids
    return np.where(instance_ids < _FIRST_INSTANCE, instance_ids, instance_ids // _FIRST_INSTANCE)


def ids_to_colors(ids: np.ndarray) -> np.ndarray:
    """Train ids (..., uint8) -> RGB colours (..., 3) uint8; ids beyond the 19 classes become black (void)."""
    return _COLOR_OF_ID.take(ids, axis=0)


def nearest_colors(image: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Replace every colour by the nearest of a palette, by Euclidean distance in RGB; ties go to the first.

    Args:
        image: (H, W, 3) uint8 RGB.
        palette: (number of colours, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return palette.take(nearest_indices(image, palette), axis=0)


def nearest_indices(image: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Like ``nearest_colors``, but (H, W) uint16: the positions of these colours in the palette."""
    table, wanted = _ranks(palette.tobytes()), _packed(image)
    ranks = table[wanted]
    unknown = np.unique(wanted[ranks == 0])
    if unknown.size:
        colors = np.stack([unknown >> 16, unknown >> 8 & 255, unknown & 255], -1).astype(np.uint8)
        _, nearest = cv2.batchDistance(colors, palette, cv2.CV_32S, normType=cv2.NORM_L2SQR, K=1)
        table[unknown] = nearest[:, 0] + 1
        ranks = table[wanted]
    return ranks - np.uint16(1)


def off_palette(image: np.ndarray, palette: np.ndarray, distance: float) -> float:
    """Share of the pixels that are farther than ``distance`` from every colour of a palette.

    Args:
        image: (H, W, 3) uint8 RGB.
        palette: (number of colours, 3) uint8 RGB.
        distance: Euclidean, in RGB units.

    Returns:
        0 to 1.
    """
    apart = cv2.absdiff(image, nearest_colors(image, palette)).astype(np.float32)  # squares are exact in 32 bits
    return float((np.einsum("...c,...c", apart, apart) > distance**2).mean())


@lru_cache(maxsize=4)
def _ranks(palette: bytes) -> np.ndarray:
    """(2**24) uint16: for every colour the rank of the nearest colour of a palette, from 1; 0 where not computed yet.

    Images of one data set share most of their colours: nearly all distances are computed only once. Pages of the
    32 MiB that are never touched take no memory.
    """
    return np.zeros(1 << 24, np.uint16)
