"""Scores of classes, from counts of pixels by real and generated class (Long et al. 2015, section 5)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics.accumulators import WIDE
from pix2pix_lit.metrics.class_numbers import ScoredClasses

Score = Callable[[Tensor], Tensor]
"""(K, K) float counts, rows are real classes -> a number, NaN where nothing was counted."""


def confusion_matrices(fake: Tensor, real: Tensor, count: int) -> Tensor:
    """Counts of pixels by real and generated class, of each image.

    Args:
        fake: (N, H, W) int64 classes below ``count``.
        real: the same; pixels of other classes do not count.
        count: number of classes.

    Returns:
        (N, count, count) int64; rows are real classes.
    """
    cells, is_scored = (real * count + fake).flatten(1), (real < count).flatten(1)
    counts = [torch.bincount(row[scored], minlength=count**2) for row, scored in zip(cells, is_scored, strict=True)]
    return torch.stack(counts).view(-1, count, count)


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Share of the pixels that have their class."""
    return matrix.diag().sum() / matrix.sum()


def class_accuracy(matrix: Tensor) -> Tensor:
    """Mean over the classes that labels have of the share of their pixels that have it."""
    return (matrix.diag() / matrix.sum(1)).nanmean()


def class_iou(matrix: Tensor) -> Tensor:
    """(K,): pixels of a class in both images, divided by those in any; NaN for a class that neither has."""
    return matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())


def mean_iou(matrix: Tensor) -> Tensor:
    """Mean of ``class_iou`` over the classes that occur."""
    return class_iou(matrix).nanmean()


class ConfusionMatrix(Metric):
    """A score of the confusion matrix of all images and processes.

    torchmetrics' ``segmentation.MeanIoU`` averages scores of images instead, which is another number.

    Args:
        target: type of the labels.
        score: of the matrix.
    """

    matrix: Tensor

    def __init__(self, target: ImageType, score: Score) -> None:
        super().__init__()
        self.classes = ScoredClasses(target)
        self.score = score
        count = self.classes.count
        self.latest_matrices = torch.zeros(0, count, count, dtype=torch.int64)
        self.add_state("matrix", torch.zeros(count, count, dtype=torch.int64), dist_reduce_fx="sum")

    def matrices(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N, channels, H, W) floats, as networks have them -> (N, K, K) int64."""
        return confusion_matrices(self.classes.of_fake(fake), self.classes.of_real(real), self.classes.count)

    @torch.no_grad()
    def values(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N,) of ``WIDE``: the score of each image by itself."""
        return self._scores(self.matrices(fake, real))

    @property
    def latest(self) -> Tensor:
        """The ``values`` of the last batch."""
        return self._scores(self.latest_matrices)

    def _scores(self, matrices: Tensor) -> Tensor:
        return torch.stack([self.score(matrix.to(WIDE)) for matrix in matrices])

    @torch.no_grad()
    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, channels, H, W) floats, as networks have them."""
        self.latest_matrices = self.matrices(fake, real)
        self.matrix += self.latest_matrices.sum(0)

    def compute(self) -> Tensor:
        """The score of all pixels so far."""
        return self.score(self.matrix.to(WIDE))

    def of_classes(self) -> dict[str, float]:
        """``class_iou`` of all pixels so far, by the names of the classes."""
        return dict(zip(self.classes.names, class_iou(self.matrix.to(WIDE)).tolist(), strict=True))
