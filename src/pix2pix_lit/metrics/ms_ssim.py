"""Multi-scale structural similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pix2pix_lit.metrics.metric import PixelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class MultiScaleSSIM(PixelMetric):
    """Mean over images of the structural similarity at five scales (Wang et al. 2003), as torchmetrics has it."""

    name = "ms_ssim"
    direction = "max"
    smallest_side = 176
    """Of an image, in pixels: torchmetrics wants the 11 of the window 16 times, although its message names 160."""

    def create(self, target: ImageType) -> Metric:
        import torch
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

        from pix2pix_lit.metrics.accumulators import MeanOverImages

        def of_pair(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
            return multiscale_structural_similarity_index_measure(
                (fake + 1) / 2, (real + 1) / 2, data_range=1.0, reduction="none"
            ).view(len(fake))

        return MeanOverImages(of_pair)

    def protocol(self) -> dict[str, Any]:
        import torchmetrics

        return {"implementation": "torchmetrics", "version": torchmetrics.__version__}
