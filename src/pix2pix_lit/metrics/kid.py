"""Kernel Inception distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pix2pix_lit.metrics.metric import NetworkMetric

if TYPE_CHECKING:
    from pathlib import Path

    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType

WEIGHTS_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
"""Torch-fidelity's conversion of the network that FID was defined with."""


class InceptionMetric(NetworkMetric):
    """A metric of features of InceptionV3 (``pip install 'pix2pix-lit[fid]'``).

    Images become 8-bit ones by rounding and are resized to 299x299 by antialiased bilinear interpolation.

    Args:
        weights: torch-fidelity's file, or None for its download of 91 MB to torch's cache.
    """

    smallest_count = 2

    def weights_file(self) -> Path:
        import importlib.util

        from pix2pix_lit.errors import UserError
        from pix2pix_lit.networks.pretrained import downloaded, given_file

        key = f"metrics.{self.name}.weights"
        if importlib.util.find_spec("torch_fidelity") is None:
            raise UserError("torch-fidelity is not installed; expected it: pip install 'pix2pix-lit[fid]'")
        if self.weights is None:
            return downloaded(WEIGHTS_URL, key)
        return given_file(self.weights, key, f"torch-fidelity's of {WEIGHTS_URL}")

    def protocol(self) -> dict[str, Any]:
        from importlib.metadata import version

        return super().protocol() | {
            "features": "InceptionV3 of torch-fidelity, 2048",
            "torch_fidelity": version("torch-fidelity"),
            "resize": "299x299, bilinear, antialiased",
        }


class KID(InceptionMetric):
    """Kernel distance of InceptionV3's features (Bińkowski et al. 2018), of all images: unbiased, unlike FID."""

    name = "kid"
    direction = "min"
    smallest_count = 50
    """With fewer images its standard error hides the differences between models."""

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.distributions import KernelDistance
        from pix2pix_lit.metrics.features import InceptionFeatures

        return KernelDistance(InceptionFeatures(self.weights_file()))
