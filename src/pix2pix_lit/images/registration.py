"""Do the edges of A lie where those of B do? Shifted pairs and wrong partners.

The measure is the correlation of normalised gradient fields (Haber and Modersitzki 2006, "Intensity gradient based
registration and fusion of multi-modal images"): only where edges are and which way they run counts, not how strong
they are or which of their sides is brighter, so that a photo and its label colours can be compared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 256
"""Pixels of the longer side when edges are compared; larger pictures are shrunk to it."""

FEWEST = 20
"""Pairs from which on a set has a distribution that a single pair can be judged by."""

TOO_FEW = f"fewer than {FEWEST} pairs to compare"
"""Why a smaller set is not judged."""

_REACH = 0.125  # shifts that are looked for, as a part of the longer side
_NEAR = 2  # compared pixels that edges of a good pair may be apart, as where outlines were drawn by hand
_FAR = 3.5  # compared pixels from which on a shift is one


class Registration(NamedTuple):
    """How well the edges of two pictures agree.

    Attributes:
        here: correlation as they are: 1 for equal edges, about 0 for unrelated ones.
        best: the highest one that a shift gives.
        dx: pixels that B has to move to the right for it.
        dy: pixels that B has to move down for it.
        edges: share of pixels on edges, in the picture that has fewer of them.
        scale: pixels of the pictures to a compared one.
    """

    here: float
    best: float
    dx: float
    dy: float
    edges: float
    scale: float


class Misregistered(NamedTuple):
    """Indices of the pairs that ``judge`` finds."""

    shifted: Sequence[int] = ()
    """Edges agree well once B is moved."""
    strangers: Sequence[int] = ()
    """Edges agree no better than in pairs that were mixed up."""
    usual: float = 0.0
    """Correlation that half of the pairs are above."""
    all_shifted: tuple[float, float] | None = None
    """(dx, dy) if most pairs agree only with this one shift; single pairs are not judged then."""
    unjudged: str = ""
    """Why the pairs cannot be judged, if so."""


def register(a: np.ndarray, b: np.ndarray) -> Registration:
    """Compare two pictures of one size, (H, W, 3) uint8 RGB."""
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


def judge(pairs: Sequence[Registration], mixed: Sequence[Registration]) -> Misregistered:
    """Find the pairs that do not fit, measured by what is usual in their own set.

    Args:
        pairs: of all pairs of a set.
        mixed: of A images of the set with B images of other pairs.
    """
    if len(pairs) < FEWEST or len(mixed) < FEWEST:
        return Misregistered(unjudged=TOO_FEW)
    here, best, dx, dy, edges, scale = np.array(pairs).T
    shift = np.hypot(dx, dy) / scale
    rich = edges > max(0.25 * np.median(edges), 1e-3)  # others have too few edges to agree or disagree about
    if rich.sum() < FEWEST:
        return Misregistered(unjudged="hardly any edges to compare")
    chance_here, chance_best = (np.array(mixed)[:, column] for column in (0, 1))

    usual = np.median(dx / scale), np.median(dy / scale)
    together = np.hypot(dx / scale - usual[0], dy / scale - usual[1]) < _FAR
    if together[rich].mean() < 0.7 or np.median(best[rich]) < np.quantile(chance_best, 0.95):
        return Misregistered(unjudged="edges of A and B are too different to tell where pairs belong")
    if np.hypot(*usual) > _FAR:
        return Misregistered(all_shifted=(float(np.median(dx)), float(np.median(dy))))

    # A stranger is both: like a mixed-up pair, and far below what is usual (4.5 standard deviations of the logarithm,
    # whose lower quartile tells the spread without seeing some bad pairs).
    middle, quarter = np.log(np.quantile(here[rich], [0.5, 0.25]).clip(1e-6))
    lowest = min(np.quantile(chance_here, 0.9), np.exp(middle - 4.5 * (middle - quarter) / 0.6745))
    moved = rich & (shift > _FAR) & (here < 0.7 * best) & (best > np.quantile(chance_best, 0.98))
    strange = rich & (here < lowest) & ~moved
    return Misregistered(np.flatnonzero(moved).tolist(), np.flatnonzero(strange).tolist(), float(np.exp(middle)))


def _edge_directions(picture: np.ndarray, scale: float) -> np.ndarray:
    """(h, w, 2) float32: a vector of length 0 to 1 at twice the angle of the gradient, so that a sign means nothing."""
    if scale > 1:
        size = [max(1, round(side / scale)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (5, 5), 1.0)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    across, down, both = (cv2.transform(product, np.ones((1, 3))) for product in (dx * dx, dy * dy, dx * dy))
    energy = across + down
    # What is far below the picture's mean gradient is texture or noise; 8 is a step of one in 8 bits.
    energy += np.square(np.sqrt(energy).mean() + 8.0)
    return cv2.merge([(across - down) / energy, 2 * both / energy])


def _correlation(first: np.ndarray, second: np.ndarray, reach: int) -> np.ndarray:
    """(2 * reach + 1, 2 * reach + 1): at [reach + y, reach + x], ``second`` moved down by y and right by x."""
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
