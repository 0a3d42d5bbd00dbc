"""Learned perceptual image patch similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pix2pix_lit.checks import FilePath, check_choice
from pix2pix_lit.metrics.metric import NetworkMetric

if TYPE_CHECKING:
    from pathlib import Path

    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType
    from pix2pix_lit.networks.pretrained import Classifier

Net = Literal["alex", "squeeze", "vgg"]

CLASSIFIERS: dict[Net, Classifier] = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}
"""Torchvision's names of the networks."""


class LPIPS(NetworkMetric):
    """Mean over images of the distance in the features of a classifier (Zhang et al. 2018), as torchmetrics has it.

    Args:
        net: ``alex``, which most papers report (a download of 233 MB), ``squeeze`` (5 MB) or ``vgg`` (528 MB).
        weights: a state-dict file of torchvision's network (alexnet, squeezenet1_1 or vgg16), or None for its download
            to torch's cache.
        download: whether to download weights that are not in the cache; otherwise the metric is unavailable then.
    """

    name = "lpips"
    direction = "min"
    objective_rank = 3

    def __init__(self, net: Net = "alex", weights: FilePath | None = None, download: bool = True) -> None:
        check_choice("metrics.lpips.net", net, Net)
        super().__init__(weights)
        self.net = net
        self.download = download

    def weights_file(self) -> Path:
        from pix2pix_lit.networks.pretrained import classifier_file

        return classifier_file(CLASSIFIERS[self.net], self.weights, "metrics.lpips.weights", self.download)

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.internals.torchmetrics import lpips_network
        from pix2pix_lit.metrics.accumulators import MeanOverImages
        from pix2pix_lit.metrics.features import DistanceOfColors
        from pix2pix_lit.networks.pretrained import classifier_features

        features = classifier_features(CLASSIFIERS[self.net], self.weights, "metrics.lpips.weights")
        return MeanOverImages(DistanceOfColors(lpips_network(self.net, features)))

    def protocol(self) -> dict[str, Any]:
        import torchmetrics

        return super().protocol() | {
            "implementation": "torchmetrics",
            "version": torchmetrics.__version__,
            "net": self.net,
        }
