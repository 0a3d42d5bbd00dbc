"""Share of the pixels that have their class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import LabelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class PixelAccuracy(LabelMetric):
    """Share of the pixels that have their class (Long et al. 2015, section 5)."""

    name = "pixel_accuracy"
    direction = "max"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.confusion import ConfusionMatrix, pixel_accuracy

        return ConfusionMatrix(target, pixel_accuracy)
