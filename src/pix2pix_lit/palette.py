"""The Cityscapes classes: the one place that knows their names, train ids and colours.

Values are those of cityscapesScripts, ``cityscapesscripts/helpers/labels.py``.
"""

from enum import IntEnum

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


VOID_ID = int(Label.VOID)
CLASS_NAMES: tuple[str, ...] = tuple(label.name.lower().replace("_", " ") for label in Label if label != VOID_ID)
NUM_CLASSES = len(CLASS_NAMES)

# (19, 3) uint8 RGB, indexed by train id.
COLORS = np.array(
    [
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ],
    dtype=np.uint8,
)
COLORS.flags.writeable = False

_COLOR_OF_ID = np.zeros((256, 3), np.uint8)
_COLOR_OF_ID[:NUM_CLASSES] = COLORS


def _packed(colors: np.ndarray) -> np.ndarray:
    red, green, blue = (colors[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


_ID_OF_RANK = np.argsort(_packed(COLORS)).astype(np.uint8)
_SORTED_COLORS = _packed(COLORS)[_ID_OF_RANK]


def ids_to_colors(ids: np.ndarray) -> np.ndarray:
    """Train ids (..., uint8) as RGB colours (..., 3) uint8; ids beyond the 19 classes become void's black."""
    return _COLOR_OF_ID.take(ids, axis=0)


def colors_to_ids(colors: np.ndarray) -> np.ndarray:
    """RGB colours (..., 3) uint8 as train ids (...) uint8; a colour that is no class's becomes 255."""
    wanted = _packed(colors)
    rank = np.minimum(np.searchsorted(_SORTED_COLORS, wanted), NUM_CLASSES - 1)
    return np.where(_SORTED_COLORS[rank] == wanted, _ID_OF_RANK[rank], np.uint8(VOID_ID))


PALETTES: dict[str, np.ndarray] = {
    "cityscapes": np.concatenate([COLORS, np.zeros((1, 3), np.uint8)]),
}
"""Named palettes, each (number of colours, 3) uint8 RGB; ``cityscapes`` has its 19 classes and void."""

ID_VALUES: dict[str, dict[int, int]] = {}
"""Named tables of what label files hold: value in the file -> class number."""
