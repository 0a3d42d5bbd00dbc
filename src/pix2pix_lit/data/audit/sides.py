"""Appearance of A and B, and pairs or data sets in which the two are exchanged."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pix2pix_lit.images.registration import FEWEST, TOO_FEW

_STEP = 2  # gray levels between neighbours in a flat region: JPEG artifacts are smaller there
_CLEAR = 25.0  # least squared distance between the sides, in spreads: below, normal pairs may look exchanged
_TURNED = -0.4  # score is 1 for a usual pair, -1 for one that is exactly exchanged
_MOST = 0.9  # share of the pairs for a statement about the data set


class Appearance(NamedTuple):
    """Appearance of an image; values in 8-bit levels, except the last."""

    red: float
    green: float
    blue: float
    contrast: float
    saturation: float
    roughness: float
    flatness: float
    """Share of pixels that equal their neighbours, within ``_STEP``."""


def appearance(picture: np.ndarray) -> Appearance:
    """Measure an image, (H, W, 3) uint8 RGB."""
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
    """Indices of pairs whose A looks like B of the data set and vice versa; or none, and why they were not checked.

    The score is the log-likelihood ratio of "usual" and "exchanged" if differences of A and B are normally distributed
    about their median; it does not depend on the image types of A and B.
    """
    if len(appearances) < FEWEST:
        return [], TOO_FEW
    differences = np.array([np.subtract(a, b) for a, b in appearances])
    middle = np.median(differences, axis=0)
    spread = 1.4826 * np.median(np.abs(differences - middle), axis=0)  # that of a normal distribution
    spread = spread.clip(1e-3 + 0.01 * np.abs(middle))  # for data sets without any spread
    usual = np.square(middle / spread).sum()
    if usual < _CLEAR:
        return [], "A and B look too much alike"
    scores = (differences * middle / np.square(spread)).sum(1) / usual
    return np.flatnonzero(scores < _TURNED).tolist(), ""


def labels_look_like_photos(
    appearances: Sequence[tuple[Appearance, Appearance]], off_palette: Sequence[tuple[float, float]]
) -> bool:
    """Whether, in nearly all pairs, the declared labels are less flat than the photo.

    Args:
        appearances: (labels, photo) of each pair.
        off_palette: shares of their pixels off the labels' palette, which must confirm it; empty without a palette.
    """
    rougher = np.mean([labels.flatness < photo.flatness for labels, photo in appearances])
    farther = np.mean([labels > photo for labels, photo in off_palette]) if off_palette else 1.0
    return bool(rougher >= _MOST and farther >= _MOST)
