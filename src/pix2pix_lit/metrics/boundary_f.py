"""Boundary F-score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pix2pix_lit.metrics.metric import LabelMetric

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType

TOLERANCE = 0.0075
"""Largest distance of matching boundaries, as a share of the image's diagonal (Csurka et al. 2013, section 3.3)."""


class BoundaryF(LabelMetric):
    """Mean over images, and over the classes of their labels, of the F-score of boundaries (Csurka et al. 2013).

    It sees whether outlines are in place, which counts of pixels hardly do.
    """

    name = "boundary_f"
    direction = "max"

    def create(self, target: ImageType) -> Metric:
        from pix2pix_lit.metrics.boundaries import MeanBoundaryF

        return MeanBoundaryF(target, TOLERANCE)

    def protocol(self) -> dict[str, Any]:
        return super().protocol() | {"tolerance": TOLERANCE}
