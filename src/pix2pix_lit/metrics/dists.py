"""Deep image structure and texture similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pix2pix_lit.metrics.metric import NetworkMetric

if TYPE_CHECKING:
    from pathlib import Path

    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class DISTS(NetworkMetric):
    """Mean over images of the distance in structure and texture of VGG-16's features (Ding et al. 2020).

    Args:
        weights: a state-dict file of torchvision's vgg16, or None for its download of 528 MB to torch's cache.
    """

    name = "dists"
    direction = "min"

    def weights_file(self) -> Path:
        from pix2pix_lit.networks.pretrained import classifier_file

        return classifier_file("vgg16", self.weights, "metrics.dists.weights")

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.internals.torchmetrics import dists_network
        from pix2pix_lit.metrics.accumulators import MeanOverImages
        from pix2pix_lit.metrics.features import DistanceOfColors
        from pix2pix_lit.networks.pretrained import classifier_features

        features = classifier_features("vgg16", self.weights, "metrics.dists.weights")
        return MeanOverImages(DistanceOfColors(dists_network(features), from_zero=True))

    def protocol(self) -> dict[str, Any]:
        import torchmetrics

        return super().protocol() | {"implementation": "torchmetrics", "version": torchmetrics.__version__}
