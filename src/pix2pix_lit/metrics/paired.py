"""All metrics of translated images whose real counterparts are known."""

from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.metrics import METRICS


class PairedMetrics(nn.Module):
    """The metrics by name, accumulated over any number of batches and processes, every image once."""

    def __init__(self) -> None:
        super().__init__()
        for name, metric in METRICS.items():
            self.add_module(name, metric.create())

    def update(self, fake: Tensor, real: Tensor, input: Tensor | None = None) -> None:
        """Count a batch.

        Args:
            fake: (N, C, H, W) floats in [-1, 1].
            real: the same, of the real images.
            input: the same, of what was translated; for metrics that need it.
        """
        given = {"fake": fake, "real": real, "input": input}
        needed = {need for metric in METRICS.values() for need in metric.needs}
        images = {name: image.float().contiguous() for name in needed if (image := given[name]) is not None}
        unit_range = {name: (image + 1) / 2 for name, image in images.items()}
        for name, accumulator in self.named().items():
            metric = METRICS[name]
            accumulator.update(*((unit_range if metric.takes_unit_range else images)[need] for need in metric.needs))

    def named(self) -> dict[str, Metric]:
        """The metrics by name, for logging."""
        return {name: metric for name, metric in self.named_children() if isinstance(metric, Metric)}
