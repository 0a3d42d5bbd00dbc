"""Several metrics of the same images."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.metrics import METRICS, ImageMetric

STANDARD = ("l1", "psnr", "ssim", "pixel_accuracy", "class_accuracy", "iou")
"""Names of the metrics of a model that is built without a choice, such as one loaded from a checkpoint."""


class MetricSet(nn.Module):
    """Metrics by name, accumulated over any number of batches and processes, every image once.

    Args:
        metrics: those to measure, if they are for such targets; None for the ``STANDARD`` ones.
        target: type of the images.
    """

    def __init__(self, metrics: Iterable[ImageMetric] | None = None, target: ImageType = RGB) -> None:
        super().__init__()
        metrics = [METRICS[name]() for name in STANDARD] if metrics is None else metrics
        self.metrics = {metric.name: metric for metric in metrics if metric.is_of_kind(target)}
        for name, metric in self.metrics.items():
            self.add_module(name, metric.create(target))

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch.

        Args:
            fake: (N, network_channels, H, W) floats in [-1, 1].
            real: the same, of the real images.
        """
        for accumulator in self.named().values():
            accumulator.update(fake, real)

    def named(self) -> dict[str, Metric]:
        """The metrics by name, for logging."""
        return {name: metric for name, metric in self.named_children() if isinstance(metric, Metric)}


@torch.no_grad()
def score(metric: ImageMetric, fake: Tensor, real: Tensor, target: ImageType = RGB) -> float:
    """A metric of one batch; see ``MetricSet.update``."""
    return float(metric.create(target)(fake, real))
