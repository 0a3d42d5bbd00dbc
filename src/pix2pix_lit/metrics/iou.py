"""Mean over classes of the intersection over union."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import LabelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class MeanIoU(LabelMetric):
    """Mean over classes of the intersection over union (Long et al. 2015, section 5); the paper's "class IoU"."""

    name = "iou"
    direction = "max"
    objective_rank = 4

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.confusion import ConfusionMatrix, mean_iou

        return ConfusionMatrix(target, mean_iou)
