"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pix2pix_lit.metrics.metric import PixelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class PSNR(PixelMetric):
    """Mean over images of the peak signal-to-noise ratio in dB; infinite as soon as one image equals its target.

    torchmetrics' pools the errors of all images unless told otherwise, which is another number.
    """

    name = "psnr"
    direction = "max"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.accumulators import MeanOverImages

        # The peak is 2, the range of [-1, 1].
        return MeanOverImages(lambda fake, real: 10 * (4 / (fake - real).square().mean((1, 2, 3))).log10())
