"""Mean over the classes of the labels of the share of their pixels that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import LabelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class ClassAccuracy(LabelMetric):
    """Mean over the classes of the labels of the share of their pixels that have it (Long et al. 2015, section 5)."""

    name = "class_accuracy"
    direction = "max"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.confusion import ConfusionMatrix, class_accuracy

        return ConfusionMatrix(target, class_accuracy)
