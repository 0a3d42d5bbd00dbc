"""Mean absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import PixelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class L1(PixelMetric):
    """Mean over images of the mean absolute error of values in [-1, 1], the unit of the reconstruction loss."""

    name = "l1"
    direction = "min"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.accumulators import MeanOverImages

        return MeanOverImages(lambda fake, real: (fake - real).abs().mean((1, 2, 3)))
