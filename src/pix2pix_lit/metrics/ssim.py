"""Structural similarity."""

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import ImageMetric

if TYPE_CHECKING:
    from torchmetrics import Metric


class SSIM(ImageMetric):
    """Mean over images of the structural similarity index (Wang et al. 2004).

    With a Gaussian window of sigma 1.5 around every pixel; borders are continued by reflection.
    """

    name = "ssim"
    direction = "max"
    takes_unit_range = True
    smallest_side = 11
    """Of an image, in pixels: the window."""

    def create(self) -> "Metric":
        from pix2pix_lit.metrics.structural_similarity import StructuralSimilarity

        return StructuralSimilarity()
