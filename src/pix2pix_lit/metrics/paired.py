"""Metrics of translated images whose real counterparts are known."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.metrics import METRICS, ImageMetric

STANDARD = ("l1", "psnr", "ssim")
"""Names of the metrics of a model that is built without a choice, such as one loaded from a checkpoint."""


class PairedMetrics(nn.Module):
    """Metrics by name, accumulated over any number of batches and processes, every image once.

    Args:
        metrics: those to measure; None for the ``STANDARD`` ones.
    """

    def __init__(self, metrics: Iterable[ImageMetric] | None = None) -> None:
        super().__init__()
        metrics = [METRICS[name]() for name in STANDARD] if metrics is None else metrics
        self.metrics = {metric.name: metric for metric in metrics}
        for name, metric in self.metrics.items():
            self.add_module(name, metric.create())

    def update(self, fake: Tensor, real: Tensor, input: Tensor | None = None) -> None:
        """Count a batch.

        Args:
            fake: (N, C, H, W) floats in [-1, 1].
            real: the same, of the real images.
            input: the same, of what was translated; for metrics that need it.
        """
        given = {"fake": fake, "real": real, "input": input}
        for name, accumulator in self.named().items():
            images = [image for need in self.metrics[name].needs if (image := given[need]) is not None]
            accumulator.update(*(_as_taken(image, self.metrics[name]) for image in images))

    def named(self) -> dict[str, Metric]:
        """The metrics by name, for logging."""
        return {name: metric for name, metric in self.named_children() if isinstance(metric, Metric)}


@torch.no_grad()
def score(metric: ImageMetric, fake: Tensor, real: Tensor) -> float:
    """A metric of one batch.

    Args:
        metric: one that needs no input.
        fake: (N, C, H, W) floats in [-1, 1].
        real: the same, of the real images.
    """
    return float(metric.create()(_as_taken(fake, metric), _as_taken(real, metric)))


def _as_taken(image: Tensor, metric: ImageMetric) -> Tensor:
    image = image.float().contiguous()
    return (image + 1) / 2 if metric.takes_unit_range else image
