"""Check that the two halves of files are pairs: find single photos, and halves that have nothing in common."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pix2pix_lit.images.registration import register

MOST = 24
"""Number of pairs that are checked."""

_FEWEST = 8
_FEWEST_EDGES = 1e-3  # share of the pixels
_FLAT = 8.0  # gray levels; a border that varies less is a plain margin, which carries no information

Verdict = Literal["single", "unrelated"]


def check_halves(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Verdict | None:
    """Why files are probably not A|B pairs; None if they look like pairs, or if there are too few to decide.

    The edges of the halves of a pair agree better, by ``registration``, than those of different files. If they do not,
    and the image continues across the seam, the files are single photos.

    Args:
        pairs: left and right halves, (H, W, 3) uint8 RGB of any sizes; ``MOST`` of a set are enough.
    """
    measured = [(pair, register(*pair)) for pair in pairs]
    pairs = [pair for pair, registration in measured if registration.edges > _FEWEST_EDGES]
    own = np.array([registration.here for _, registration in measured if registration.edges > _FEWEST_EDGES])
    half = len(pairs) // 2  # far apart, since neighbours may be frames of one video
    others = [(a, pairs[(index + half) % len(pairs)][1]) for index, (a, _) in enumerate(pairs)]
    mixed = np.array([register(a, b).here for a, b in others if a.shape == b.shape])
    # On Cityscapes the median is 0.27 for pairs, and 0.05 for halves of single photos and for mixed pairs.
    # Files of one fixed camera agree with each other, too.
    if len(mixed) < _FEWEST or np.median(own) > min(0.2, 2 * np.median(mixed) + 0.02):
        return None
    seams = np.array([continuity for a, b in pairs if (continuity := _continuity(a, b)) is not None])
    if len(seams) >= _FEWEST and np.median(seams) > 0.8 and np.quantile(seams, 0.25) > 0.5:
        return "single"
    is_no_better = np.median(own) <= np.quantile(mixed, 0.75) and np.mean(own) <= 1.25 * np.mean(mixed)
    return "unrelated" if is_no_better else None


def _continuity(a: np.ndarray, b: np.ndarray) -> float | None:
    """1 if A continues in B like neighbouring columns, 0 if it ends; None if the border carries no information."""
    picture = np.concatenate([a, b], 1).astype(np.float32)
    width = a.shape[1]
    if width < 8:
        return None
    last = picture[:, width - 1]
    steps = np.abs(np.diff(picture[:, width - 4 : width + 4], axis=1)).mean((0, 2))  # the seam is the middle one
    near, seam = float(np.delete(steps, 3).mean()), float(steps[3])
    far = float(np.abs(picture[:, :: max(1, width // 16)] - last[:, None]).mean())
    if last.std(0).mean() < _FLAT or far - near < 0.25 * far:
        return None
    return (far - seam) / (far - near)
