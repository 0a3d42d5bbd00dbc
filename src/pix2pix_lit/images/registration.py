"""Registration of A and B by their edges: find shifted pairs and mismatched partners.

The measure is the correlation of normalised gradient fields (Haber and Modersitzki 2006, "Intensity gradient based
registration and fusion of multi-modal images"). It depends on the position and direction of edges, not on their
strength or sign, and can therefore compare a photo with its label colours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 256
"""Length of the longer side in pixels at which edges are compared; larger images are downsampled to it."""

FEWEST = 20
"""Least number of pairs for statistics that can single out one of them."""

TOO_FEW = f"fewer than {FEWEST} pairs to compare"
"""Why a smaller set is not checked."""

_REACH = 0.125  # largest shift that is searched for, as a fraction of the longer side
_NEAR = 2  # tolerance for the edges of a good pair in compared pixels, as outlines may be drawn by hand
_FAR = 3.5  # least shift that is reported, in compared pixels


class Registration(NamedTuple):
    """How well the edges of two images agree.

    Attributes:
        here: correlation without a shift: 1 for equal edges, about 0 for unrelated ones.
        best: highest correlation over all shifts.
        dx: pixels to move B to the right for the highest correlation.
        dy: pixels to move B down for the highest correlation.
        edges: share of pixels on edges, in the image that has fewer of them.
        scale: pixels of the images per compared pixel.
    """

    here: float
    best: float
    dx: float
    dy: float
    edges: float
    scale: float


class Misregistered(NamedTuple):
    """Indices of the pairs that ``find_misregistered`` finds."""

    shifted: Sequence[int] = ()
    """Edges agree well once B is moved."""
    mismatched: Sequence[int] = ()
    """Edges agree no better than between images of different pairs."""
    usual: float = 0.0
    """Median correlation."""
    all_shifted: tuple[float, float] | None = None
    """(dx, dy) if most pairs agree only with this one shift; single pairs are not examined then."""
    skipped: str = ""
    """Why the pairs cannot be checked, or empty."""


def register(a: np.ndarray, b: np.ndarray) -> Registration:
    """Compare two images of equal size, (H, W, 3) uint8 RGB."""
    scale = max(1.0, max(a.shape[:2]) / SIDE)
    first, second = _edge_directions(a, scale), _edge_directions(b, scale)
    reach = max(_NEAR + 2, round(_REACH * max(first.shape)))
    surface = _correlation(first, second, reach)
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    near = surface[reach - _NEAR : reach + _NEAR + 1, reach - _NEAR : reach + _NEAR + 1]
    return Registration(
        here=float(near.max()),
        best=float(surface.max()),
        dx=float((column - reach) * scale),
        dy=float((row - reach) * scale),
        edges=min(cv2.norm(field) ** 2 / (field.size / 2) for field in (first, second)),
        scale=scale,
    )


def find_misregistered(pairs: Sequence[Registration], mixed: Sequence[Registration]) -> Misregistered:
    """Find the pairs whose edges agree less than is usual in their data set.

    Args:
        pairs: of all pairs of a data set.
        mixed: of A images of the data set with B images of other pairs.
    """
    if len(pairs) < FEWEST or len(mixed) < FEWEST:
        return Misregistered(skipped=TOO_FEW)
    here, best, dx, dy, edges, scale = np.array(pairs).T
    shift = np.hypot(dx, dy) / scale
    rich = edges > max(0.25 * np.median(edges), 1e-3)  # the others have too few edges to compare
    if rich.sum() < FEWEST:
        return Misregistered(skipped="hardly any edges to compare")
    chance_here, chance_best = (np.array(mixed)[:, column] for column in (0, 1))

    usual = np.median(dx / scale), np.median(dy / scale)
    together = np.hypot(dx / scale - usual[0], dy / scale - usual[1]) < _FAR
    if together[rich].mean() < 0.7 or np.median(best[rich]) < np.quantile(chance_best, 0.95):
        return Misregistered(skipped="edges of A and B are too different to be compared")
    if np.hypot(*usual) > _FAR:
        return Misregistered(all_shifted=(float(np.median(dx)), float(np.median(dy))))

    # Mismatched pairs are both: like mixed ones, and far below what is usual (4.5 standard deviations of the logarithm,
    # estimated by the lower quartile, which a few bad pairs do not affect).
    middle, quarter = np.log(np.quantile(here[rich], [0.5, 0.25]).clip(1e-6))
    lowest = min(np.quantile(chance_here, 0.9), np.exp(middle - 4.5 * (middle - quarter) / 0.6745))
    moved = rich & (shift > _FAR) & (here < 0.7 * best) & (best > np.quantile(chance_best, 0.98))
    strange = rich & (here < lowest) & ~moved
    return Misregistered(np.flatnonzero(moved).tolist(), np.flatnonzero(strange).tolist(), float(np.exp(middle)))


def _edge_directions(picture: np.ndarray, scale: float) -> np.ndarray:
    """(h, w, 2) float32: vectors of length 0 to 1 at twice the gradient's angle, which cancels its sign."""
    if scale > 1:
        size = [max(1, round(side / scale)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (5, 5), 1.0)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    across, down, both = (cv2.transform(product, np.ones((1, 3))) for product in (dx * dx, dy * dy, dx * dy))
    energy = across + down
    # Gradients far below the image's mean are texture or noise; 8 is a step of one in 8 bits.
    energy += np.square(np.sqrt(energy).mean() + 8.0)
    return cv2.merge([(across - down) / energy, 2 * both / energy])


def _correlation(first: np.ndarray, second: np.ndarray, reach: int) -> np.ndarray:
    """(2 * reach + 1, 2 * reach + 1): at [reach + y, reach + x] that of ``second`` moved down by y and right by x."""
    height, width = (cv2.getOptimalDFTSize(side + reach) for side in first.shape[:2])
    padded = [
        cv2.copyMakeBorder(field, 0, height - field.shape[0], 0, width - field.shape[1], cv2.BORDER_CONSTANT, value=0)
        for field in (first, second)
    ]
    spectra = [cv2.dft(field) for field in padded]
    product = cv2.mulSpectrums(spectra[0], spectra[1], 0, conjB=True)
    surface = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[..., 0]
    norm = cv2.norm(first) * cv2.norm(second) + 1e-9
    return np.roll(surface, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1] / norm
