"""Find the colours of labels without their palette: the modes of flat regions, which JPEG hardly changes."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

NEAR = 10.0
"""Tolerance in RGB units for a colour of the palette: JPEG changes flat regions by at most 5."""

MOST_COLORS = 64
"""Images with more clusters are probably not labels."""

_RIPPLE = 6  # gray levels; JPEG artifacts in a flat neighbourhood
_SOME = 1 << 16  # flat pixels that are counted per image
_HALO = 0.05  # share of a cluster that its JPEG artifacts make, at up to twice the distance
_KEPT = 256  # colours that are kept per image
_LEAST_SHARE = 0.0005  # least share of all flat pixels for a cluster
_LEAST_IMAGES = 0.03  # least share of the images that contain a cluster

Histogram = dict[tuple[int, int, int], int]


class Cluster(NamedTuple):
    """A colour of labels.

    Attributes:
        color: RGB, the most frequent colour of the cluster.
        share: of all flat pixels.
    """

    color: tuple[int, int, int]
    share: float


def flat_colors(image: np.ndarray) -> Histogram:
    """Count the frequent colours of flat regions of an image, (H, W, 3) uint8 RGB."""
    window = np.ones((3, 3), np.uint8)
    ripple = cv2.subtract(cv2.dilate(image, window), cv2.erode(image, window)).max(-1)
    colors = image[ripple <= _RIPPLE]
    colors = colors[:: max(1, len(colors) // _SOME)].astype(np.int32)
    packed, counts = np.unique(colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_KEPT]
    return {
        (color >> 16, color >> 8 & 255, color & 255): count
        for color, count in zip(packed[order].tolist(), counts[order].tolist(), strict=True)
    }


def clusters(histograms: Sequence[Histogram]) -> list[Cluster]:
    """The clusters of colours in a set of images, the most frequent first.

    Each is the most frequent colour that is farther than ``NEAR`` from the previous ones, occurs in several images, and
    has the share of a rare class at least.
    """
    counts: Counter[tuple[int, int, int]] = Counter()
    images: Counter[tuple[int, int, int]] = Counter()
    for histogram in histograms:
        counts.update(histogram)
        images.update(histogram.keys())
    if not counts:
        return []
    colors, sizes = np.array(list(counts), np.float32), np.array(list(counts.values()), np.float64)
    appearances = np.array([images[color] for color in counts])
    least_images = min(len(histograms), max(2, _LEAST_IMAGES * len(histograms)))
    total = sizes.sum()
    found: list[Cluster] = []
    while len(found) <= MOST_COLORS and sizes.max() > 0:
        center = int(sizes.argmax())
        own = (np.linalg.norm(colors - colors[center], axis=1) <= NEAR) & (sizes > 0)
        share = float(sizes[own].sum() / total)
        if share < _LEAST_SHARE and sizes[center] < _LEAST_SHARE / 10 * total:
            break
        is_halo = any(
            math.dist(colors[center], cluster.color) < 2 * NEAR and share < _HALO * cluster.share for cluster in found
        )
        if share >= _LEAST_SHARE and appearances[own].sum() >= least_images and not is_halo:
            red, green, blue = (int(part) for part in colors[center])
            found.append(Cluster((red, green, blue), share))
        sizes[own] = 0
    return sorted(found, key=lambda cluster: -cluster.share)


def distances(found: Sequence[Cluster], palette: np.ndarray) -> list[float]:
    """Distance of each cluster from the nearest colour of a palette, (n, 3) uint8, in RGB units."""
    centers = np.array([cluster.color for cluster in found], np.float64).reshape(-1, 1, 3)
    return np.linalg.norm(centers - palette, axis=-1).min(1).tolist() if len(found) else []
