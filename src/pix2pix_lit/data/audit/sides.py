"""Which side of a pair is which: how A and B look, and pairs where it is the other way round."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pix2pix_lit.images.registration import FEWEST, TOO_FEW

_STEP = 2  # levels of gray between neighbours that are still one surface: JPEG ripples less in flat parts
_CLEAR = 25.0  # squared distance between the sides, in spreads: below, normal sets have pairs that look turned
_TURNED = -0.4  # 1 for a usual pair, -1 for one that is exactly the other way round
_MOST = 0.9  # part of the pairs that makes it the set's matter


class Appearance(NamedTuple):
    """How a picture appearances, each number in levels of 8 bits but the last one."""

    red: float
    green: float
    blue: float
    contrast: float
    saturation: float
    roughness: float
    flatness: float
    """Share of pixels that are like their neighbours."""


def appearance(picture: np.ndarray) -> Appearance:
    """Measure a picture, (H, W, 3) uint8 RGB."""
    mean, spread = cv2.meanStdDev(picture)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    steps = cv2.absdiff(gray[:, 1:], gray[:, :-1])
    red, green, blue = cv2.split(picture)
    highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return Appearance(
        red=float(mean[0, 0]),
        green=float(mean[1, 0]),
        blue=float(mean[2, 0]),
        contrast=float(spread.mean()),
        saturation=cv2.mean(cv2.absdiff(highest, lowest))[0],
        roughness=cv2.mean(steps)[0],
        flatness=float((steps <= _STEP).mean()),
    )


def turned_pairs(appearances: Sequence[tuple[Appearance, Appearance]]) -> tuple[list[int], str]:
    """Indices of pairs whose A looks like the set's B and the other way round; or none, and why nothing can be said.

    The measure is the log-likelihood ratio of "as usual" and "turned", if differences of A and B are normally
    distributed about their median; no knowledge of what A and B are goes into it.
    """
    if len(appearances) < FEWEST:
        return [], TOO_FEW
    differences = np.array([np.subtract(a, b) for a, b in appearances])
    middle = np.median(differences, axis=0)
    spread = 1.4826 * np.median(np.abs(differences - middle), axis=0)  # that of a normal distribution
    spread = spread.clip(1e-3 + 0.01 * np.abs(middle))  # sets without any spread
    usual = np.square(middle / spread).sum()
    if usual < _CLEAR:
        return [], "A and B look too much alike"
    scores = (differences * middle / np.square(spread)).sum(1) / usual
    return np.flatnonzero(scores < _TURNED).tolist(), ""


def labels_look_like_photos(
    appearances: Sequence[tuple[Appearance, Appearance]], off_palette: Sequence[tuple[float, float]]
) -> bool:
    """Whether, in nearly all pairs, what is declared as labels is the less flat of the two pictures.

    Args:
        appearances: (labels, photo) of each pair.
        off_palette: shares of their pixels that are off the labels' palette; empty if there is none. If given, it
            must tell the same.
    """
    rougher = np.mean([labels.flatness < photo.flatness for labels, photo in appearances])
    farther = np.mean([labels > photo for labels, photo in off_palette]) if off_palette else 1.0
    return bool(rougher >= _MOST and farther >= _MOST)
