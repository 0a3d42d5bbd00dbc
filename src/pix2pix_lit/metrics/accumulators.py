"""Sums over images and processes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.networks.pretrained import make_constant

WIDE = torch.float32 if torch.backends.mps.is_available() else torch.float64
"""Of sums: Apple's GPUs have no float64."""

PairFunction = Callable[[Tensor, Tensor], Tensor]
"""Two (N, C, H, W) float32 images in [-1, 1], fakes and real ones -> (N,) floats."""


class MeanOverImages(Metric):
    """Mean over images of a function of a fake and its real image.

    All states are sums: processes may have any numbers of images, and together they equal one process.

    Args:
        function: of the images; a module follows the metric to its device, stays in eval mode, and is not stored.

    Attributes:
        latest: the ``values`` of the last batch.
    """

    sum: Tensor
    count: Tensor

    def __init__(self, function: PairFunction) -> None:
        super().__init__()
        if isinstance(function, nn.Module):
            make_constant(function)
        self.function = function
        self.latest = torch.zeros(0, dtype=WIDE)
        self.add_state("sum", torch.tensor(0.0, dtype=WIDE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def train(self, mode: bool = True) -> "MeanOverImages":
        """Stay in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def values(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N,) of ``WIDE``, of each image."""
        with torch.autocast(fake.device.type, enabled=False):
            return self.function(fake.float().contiguous(), real.float().contiguous()).to(WIDE)

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, C, H, W) floats in [-1, 1]."""
        self.latest = self.values(fake, real)
        self.sum += self.latest.sum()
        self.count += len(fake)

    def compute(self) -> Tensor:
        """The mean over all images so far; NaN without any."""
        return self.sum / self.count
