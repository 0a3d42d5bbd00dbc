"""Distances between a translated image and the real one of the same pair."""

from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, Metric
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

BETTER = {"l1": "min", "psnr": "max", "ssim": "max"}
"""The metrics by name, with the direction in which they are better."""


class PairedMetrics(nn.Module):
    """``l1``, ``psnr`` and ``ssim``, accumulated over any number of batches and processes, every image once.

    - ``l1``: mean absolute error of images in [-1, 1], the unit of the reconstruction loss. Lower is better.
    - ``psnr``: mean over images of the peak signal-to-noise ratio in dB. Higher is better.
    - ``ssim``: mean over images of Wang et al. 2004, Gaussian window of sigma 1.5 around every pixel (borders are
      continued by reflection), images in [0, 1]. Higher is better.
    """

    def __init__(self) -> None:
        super().__init__()
        self.l1 = MeanAbsoluteError()
        self.psnr = PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3))
        self.ssim = StructuralSimilarityIndexMeasure(data_range=1.0)

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch: two (N, C, H, W) float tensors in [-1, 1]."""
        fake, real = fake.float().contiguous(), real.float().contiguous()
        self.l1.update(fake, real)
        fake, real = (fake + 1) / 2, (real + 1) / 2
        self.psnr.update(fake, real)
        self.ssim.update(fake, real)

    def named(self) -> dict[str, Metric]:
        """The metrics by name, for logging."""
        return {name: metric for name, metric in self.named_children() if isinstance(metric, Metric)}
