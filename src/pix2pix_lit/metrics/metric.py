"""What every metric declares, without torch: commands read names and directions before they load it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class ImageMetric:
    """A number that says how good translated images are.

    To add one, add a file with a subclass to this folder, and its ``_target_`` and arguments to ``configs/metrics``.

    Attributes:
        name: logged as ``val/NAME``, and its key in ``configs/metrics``.
        direction: ``min`` if lower is better, ``max`` if higher is.
        smallest_side: smallest height and width of images that it can be measured of, in pixels.
        objective_rank: ``objective=auto`` takes the metric of the highest rank that can be measured; 0 for never.
    """

    name: ClassVar[str]
    direction: ClassVar[Literal["min", "max"]]
    smallest_side: ClassVar[int] = 1
    objective_rank: ClassVar[int] = 0

    def create(self, target: ImageType) -> Metric:
        """A new torchmetrics object that accumulates batches, over any number of processes.

        Its ``update`` takes fakes and real images as networks have them: (N, ``target.network_channels``, H, W) floats
        in [-1, 1], of any precision and memory layout. If it is a mean over images, it also has ``values``, which
        takes the same and returns the (N,) float64 summands.
        """
        raise NotImplementedError

    def is_of_kind(self, target: ImageType) -> bool:
        """Whether targets of this type have what it compares."""
        return True

    def unavailable(self, target: ImageType, height: int, width: int) -> str | None:
        """Why it cannot be measured of targets of a type and size, and what to do; None if it can."""
        if not self.is_of_kind(target):
            return f"{self.name} is not for targets that are {target.describe()}"
        if min(height, width) < self.smallest_side:
            return (
                f"{self.name} needs images of at least {self.smallest_side}x{self.smallest_side} pixels; these are "
                f"{height}x{width} (height x width)"
            )
        return None

    def protocol(self) -> dict[str, Any]:
        """What a value depends on besides the images, in plain values: implementation, version, settings, weights."""
        return {}

    @classmethod
    def worst(cls, values: Iterable[float]) -> float:
        """The worst of several values of this metric."""
        return max(values) if cls.direction == "min" else min(values)


class PixelMetric(ImageMetric):
    """A metric that compares the values of pixels, which class numbers do not have."""

    def is_of_kind(self, target: ImageType) -> bool:
        return target.classes is None


class LabelMetric(ImageMetric):
    """A metric of class numbers, or of colours of a palette, which stand for classes."""

    def is_of_kind(self, target: ImageType) -> bool:
        return target.classes is not None or target.palette is not None
