"""What every metric declares, without torch: commands read names and directions before they load it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torchmetrics import Metric


class ImageMetric:
    """A number that says how good translated images are.

    To add one, add a file with a subclass to this folder, and its ``_target_`` and arguments to ``configs/metrics``.

    Attributes:
        name: logged as ``val/NAME``, and its key in ``configs/metrics``.
        direction: ``min`` if lower is better, ``max`` if higher is.
        needs: which images it is given, in this order, of ``fake``, ``real`` and ``input``.
        takes_unit_range: whether their values are in [0, 1], instead of the networks' [-1, 1].
    """

    name: ClassVar[str]
    direction: ClassVar[Literal["min", "max"]]
    needs: ClassVar[tuple[Literal["fake", "real", "input"], ...]] = ("fake", "real")
    takes_unit_range: ClassVar[bool] = False

    def create(self) -> "Metric":
        """A new torchmetrics object that accumulates (N, C, H, W) batches."""
        raise NotImplementedError

    @classmethod
    def worst(cls, values: Iterable[float]) -> float:
        """The worst of several values of this metric."""
        return max(values) if cls.direction == "min" else min(values)
