"""Mean absolute error."""

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import ImageMetric

if TYPE_CHECKING:
    from torchmetrics import Metric


class L1(ImageMetric):
    """Mean absolute error of images in [-1, 1], the unit of the reconstruction loss."""

    name = "l1"
    direction = "min"

    def create(self) -> "Metric":
        from torchmetrics import MeanAbsoluteError

        return MeanAbsoluteError()
