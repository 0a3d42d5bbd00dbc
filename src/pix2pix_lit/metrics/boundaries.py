"""How well the boundaries of classes match."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics.accumulators import WIDE, MeanOverImages
from pix2pix_lit.metrics.class_numbers import ScoredClasses


class MeanBoundaryF(MeanOverImages):
    """Mean over images of ``boundary_f``, without those whose labels are all void.

    Args:
        target: type of the labels.
        tolerance: as in ``boundary_f``.
    """

    def __init__(self, target: ImageType, tolerance: float) -> None:
        super().__init__(self._of_pairs)
        self.classes = ScoredClasses(target)
        self.tolerance = tolerance

    def _of_pairs(self, fake: Tensor, real: Tensor) -> Tensor:
        fakes, reals = self.classes.of_fake(fake).cpu().numpy(), self.classes.of_real(real).cpu().numpy()
        void, pairs = self.classes.count, zip(fakes, reals, strict=True)
        scores = [boundary_f(ours, theirs, void, self.tolerance) for ours, theirs in pairs]
        return torch.tensor(scores, dtype=WIDE, device=fake.device)

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, channels, H, W) floats, as networks have them."""
        self.latest = self.values(fake, real)
        is_scored = ~self.latest.isnan()
        self.sum += self.latest[is_scored].sum()
        self.count += is_scored.sum()


def boundary_f(fake: np.ndarray, real: np.ndarray, void: int, tolerance: float) -> float:
    """Mean over the classes of the labels of the F-score of their boundaries (Csurka et al. 2013, section 3.3).

    Precision is the share of the generated boundary of a class that is near a real one, recall the share of the real
    boundary that is near a generated one. A boundary has the pixels of a class beside one of another class; void pixels
    and the border of the image make none. A class that has no boundary in both has 1, in one of them 0.

    Args:
        fake: (H, W) classes.
        real: (H, W) classes, or ``void``.
        void: what is not scored.
        tolerance: largest distance of near pixels, as a share of the image's diagonal.

    Returns:
        NaN if all labels are void.
    """
    fake = np.where(real == void, void, fake)
    distance = tolerance * math.hypot(*real.shape)
    on_fake, on_real = _on_boundary(fake, void), _on_boundary(real, void)
    scores = []
    for number in np.unique(real[real != void]):
        ours, theirs = on_fake & (fake == number), on_real & (real == number)
        if not ours.any() or not theirs.any():
            scores.append(float(ours.any() == theirs.any()))
            continue
        precision, recall = _share_near(ours, theirs, distance), _share_near(theirs, ours, distance)
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(scores)) if scores else math.nan


def _on_boundary(classes: np.ndarray, void: int) -> np.ndarray:
    """(H, W) -> (H, W) bool: whether one of the four neighbours has another class, neither of them void."""
    found = np.zeros(classes.shape, bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (classes[one] != classes[other]) & (classes[one] != void) & (classes[other] != void)
        found[one] |= differ
        found[other] |= differ
    return found


def _share_near(points: np.ndarray, others: np.ndarray, distance: float) -> float:
    away = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((away[points] <= distance).mean())
