"""Pictures for the findings."""

from contextlib import suppress

import cv2
import numpy as np

from pix2pix_lit.data.audit.findings import Place
from pix2pix_lit.data.audit.measure import FAR
from pix2pix_lit.data.audit.split import Split
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.images.palettes import nearest_colors

_MARK = np.array([255, 40, 60], np.uint8)


def pictures_of(split: Split, place: Place) -> dict[str, np.ndarray]:
    """The images of a place: caption -> (H, W, 3) uint8 RGB; empty if they cannot be read."""
    if place.index is not None:
        with suppress(UserError):
            return dict(zip("AB", split.source.pictures(split.source[place.index]), strict=True))
    sides = {"A": split.source.a, "B": split.source.b} if len(place.files) == 2 else {"file": RGB}
    shown = {}
    for path, (caption, image_type) in zip(place.files, sides.items(), strict=False):  # one of them may be readable
        with suppress(UserError):
            shown[caption] = image_type.picture(image_type.finish(read_image(path, image_type)))
    return shown


def explained(check: str, split: Split, place: Place) -> dict[str, np.ndarray]:
    """Additional pictures that show what a check found."""
    if place.index is None:
        return {}
    if check == "misregistered":
        a, b = split.source.pictures(split.source[place.index])
        edges = cv2.Canny(cv2.GaussianBlur(b, (3, 3), 0), 60, 160)
        return {"edges of B on A": _marked(a, edges > 0)}
    if check == "off the palette":
        pair = split.source[place.index]
        return {
            f"off: {_main_color(image[far])}": _marked(image, far)
            for image, side in ((pair.a, split.source.a), (pair.b, split.source.b))
            if side.kind == "colors" and side.palette_colors is not None
            for far in [_far(image, side.palette_colors)]
            if far.any()
        }
    return {}


def _far(image: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels that are far from every colour of the palette."""
    apart = cv2.absdiff(image, nearest_colors(image, palette)).astype(np.float32)
    return np.square(apart).sum(-1) > FAR**2


def _main_color(colors: np.ndarray) -> str:
    """The most frequent of (n, 3) uint8 colours, grouped in steps of 8 levels, as text."""
    kinds, counts = np.unique(colors >> 3, axis=0, return_counts=True)
    alike = (colors >> 3 == kinds[counts.argmax()]).all(-1)
    red, green, blue = np.median(colors[alike], axis=0).astype(int)
    return f"({red}, {green}, {blue})"


def _marked(picture: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The picture in gray, with some pixels in red."""
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.where(marks[..., None], _MARK, gray // 2 + 60)
