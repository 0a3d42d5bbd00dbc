"""Peak signal-to-noise ratio."""

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import ImageMetric

if TYPE_CHECKING:
    from torchmetrics import Metric


class PSNR(ImageMetric):
    """Mean over images of the peak signal-to-noise ratio in dB."""

    name = "psnr"
    direction = "max"
    takes_unit_range = True

    def create(self) -> "Metric":
        from torchmetrics.image import PeakSignalNoiseRatio

        return PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3))
