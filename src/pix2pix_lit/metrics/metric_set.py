"""Several metrics of the same images."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.metrics import METRICS, ImageMetric

STANDARD = ("l1", "psnr", "ssim", "pixel_accuracy", "class_accuracy", "iou")
"""Names of the metrics of a model that is built without a choice, such as one loaded from a checkpoint."""


def built_metrics(specs: Mapping[str, Any]) -> list[ImageMetric]:
    """The metrics of these specs by name, without those that are None.

    Raises:
        UserError: for a value that is not a spec of a metric of this name.
    """
    metrics = []
    for name, spec in specs.items():
        if spec is not None:
            metric = instantiate(spec) if isinstance(spec, Mapping) and "_target_" in spec else None
            if not isinstance(metric, ImageMetric) or metric.name != name:
                raise UserError(
                    f"metrics.{name} is {spec!r}; expected null, or _target_ with the subclass of "
                    f"pix2pix_lit.metrics.ImageMetric whose name is {name}, and its arguments"
                )
            metrics.append(metric)
    return metrics


def available(
    metrics: Iterable[ImageMetric], target: ImageType, height: int, width: int, count: int | None = None
) -> tuple[list[ImageMetric], dict[str, str]]:
    """Which metrics can be measured of so many targets of this type and size; ``count`` is None if it is not known.

    Returns:
        Those that can be, and why the others cannot, by name.
    """
    reasons = {metric: metric.unavailable(target, height, width, count) for metric in metrics}
    left_out = {metric.name: reason for metric, reason in reasons.items() if reason is not None}
    return [metric for metric, reason in reasons.items() if reason is None], left_out


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
