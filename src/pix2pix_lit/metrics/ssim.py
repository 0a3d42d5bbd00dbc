"""Structural similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import PixelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class SSIM(PixelMetric):
    """Mean over images of the structural similarity index (Wang et al. 2004).

    With a Gaussian window of sigma 1.5 around every pixel; borders are continued by reflection.
    """

    name = "ssim"
    direction = "max"
    objective_rank = 1
    smallest_side = 11
    """Of an image, in pixels: the window."""

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.accumulators import MeanOverImages
        from pix2pix_lit.metrics.structural_similarity import structural_similarity

        return MeanOverImages(lambda fake, real: structural_similarity((fake + 1) / 2, (real + 1) / 2))
