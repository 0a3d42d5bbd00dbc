"""What every metric declares, without torch: commands read names and directions before they load it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pix2pix_lit.checks import FilePath
from pix2pix_lit.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from torchmetrics import Metric

    from pix2pix_lit.images.image_type import ImageType


class ImageMetric:
    """A number that says how good translated images are.

    To add one, add a file with a subclass to this folder, and its ``_target_`` and arguments to ``configs/metrics``.

    Attributes:
        name: logged as ``val/NAME``, and its key in ``configs/metrics``.
        direction: ``min`` if lower is better, ``max`` if higher is.
        smallest_side: smallest height and width of images that it can be measured of, in pixels.
        smallest_count: smallest number of images that it can be measured of.
        objective_rank: ``objective=auto`` takes the metric of the highest rank that can be measured; 0 for never.
    """

    name: ClassVar[str]
    direction: ClassVar[Literal["min", "max"]]
    smallest_side: ClassVar[int] = 1
    smallest_count: ClassVar[int] = 1
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

    def unavailable(self, target: ImageType, height: int, width: int, count: int | None = None) -> str | None:
        """Why it cannot be measured here, and what to do; None if it can.

        Weights that it needs are downloaded, if possible.

        Args:
            target: type of the images.
            height: of the images, in pixels.
            width: of the images.
            count: number of images, where it is known.

        Raises:
            UserError: for an argument of this metric that no images make right.
        """
        if not self.is_of_kind(target):
            return f"{self.name} is not for targets that are {target.describe()}"
        if min(height, width) < self.smallest_side:
            return (
                f"{self.name} needs images of at least {self.smallest_side}x{self.smallest_side} pixels; these are "
                f"{height}x{width} (height x width)"
            )
        if count is not None and count < self.smallest_count:
            return f"{self.name} needs at least {self.smallest_count} images; these are {count}"
        return None

    def protocol(self) -> dict[str, Any]:
        """What a value depends on besides the images, in plain values: implementation, version, settings, weights."""
        from pix2pix_lit import __version__

        return {"implementation": "pix2pix-lit", "version": __version__}

    @classmethod
    def worst(cls, values: Iterable[float]) -> float:
        """The worst of several values of this metric."""
        return max(values) if cls.direction == "min" else min(values)


class PixelMetric(ImageMetric):
    """A metric that compares the values of pixels, which class numbers do not have."""

    def is_of_kind(self, target: ImageType) -> bool:
        return target.classes is None


class NetworkMetric(PixelMetric):
    """A metric by a network that was trained on photographs; gray images are repeated to three channels.

    Args:
        weights: the file with the weights, or None for where they usually come from.
    """

    smallest_side = 32

    def __init__(self, weights: FilePath | None = None) -> None:
        self.weights = weights

    def weights_file(self) -> Path:
        """The file with the weights of the network.

        Raises:
            UserError: if there is none, with what to do.
        """
        raise NotImplementedError

    def unavailable(self, target: ImageType, height: int, width: int, count: int | None = None) -> str | None:
        reason = super().unavailable(target, height, width, count)
        if reason is not None:
            return reason
        if target.network_channels not in (1, 3):
            return f"{self.name} is for images of 3 channels (RGB) or 1 (gray); these have {target.network_channels}"
        try:
            self.weights_file()
        except UserError as error:
            if self.weights is not None:
                raise
            return f"{self.name}: {error}"
        return None

    def protocol(self) -> dict[str, Any]:
        from pix2pix_lit.files.sha256 import sha256_of

        path = self.weights_file()
        return super().protocol() | {"weights": path.name, "weights_sha256": sha256_of(path)}


class LabelMetric(ImageMetric):
    """A metric of class numbers, or of colours of a palette, which stand for classes."""

    def is_of_kind(self, target: ImageType) -> bool:
        return target.classes is not None or target.palette is not None
