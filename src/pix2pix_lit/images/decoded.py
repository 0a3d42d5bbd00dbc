"""What a decoder makes of an image file."""

from typing import NamedTuple

import numpy as np

ORIENTATION = 0x0112
"""The tag of EXIF and TIFF that says which way is up."""


class Decoded(NamedTuple):
    """Contents of an image file, turned upright.

    Attributes:
        pixels: (H, W, C): indices (uint8 or uint16) if there is a ``palette``, else values in the file's own depth,
            integers or floats in the machine's byte order.
        palette: (number of colours, 1 to 4) uint8: gray, gray and alpha, RGB or RGBA of every index. Gray files of
            fewer than 8 bits have one too: both their numbers and their shades are needed.
        alpha: whether the last channel (of the palette, if there is one) is opacity.
        pages: number of pages that the channels come from; 1 except for multi-page TIFF.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    alpha: bool = False
    pages: int = 1


def opaque_value(dtype: np.dtype) -> int:
    """The alpha value of an opaque pixel: the largest integer, or 1 for floats."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def gray_palette(bits: int) -> np.ndarray:
    """(2^bits, 1) uint8: the shades of gray files with fewer than 8 bits."""
    return np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as stored -> upright, by the orientations of EXIF 2.32; unknown ones count as upright."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
