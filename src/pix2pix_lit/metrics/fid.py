"""Fréchet Inception distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.kid import InceptionMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class FID(InceptionMetric):
    """Fréchet distance of the normal distributions of InceptionV3's features (Heusel et al. 2017).

    It is biased: it falls with the number of images, to 0 or not. Compare values of equally many images only, beside
    that of real images against other real ones.
    """

    name = "fid"
    direction = "min"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.distributions import FrechetDistance
        from pix2pix_lit.metrics.features import InceptionFeatures

        return FrechetDistance(InceptionFeatures(self.weights_file()))
