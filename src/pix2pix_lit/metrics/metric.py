"""What every metric says of itself, without torch: commands read names and directions before they load it."""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torchmetrics import Metric


class ImageMetric:
    """A number that says how good translated images are; a subclass in a file of its own is all there is to add.

    Attributes:
        name: logged as ``val/NAME``, and what ``objective`` calls it.
        direction: ``min`` if lower is better, ``max`` if higher is.
        needs: which images it is given, in this order, of ``fake``, ``real`` and ``input``.
        takes_unit_range: whether their values are in [0, 1], instead of the networks' [-1, 1].
    """

    name: ClassVar[str]
    direction: ClassVar[Literal["min", "max"]]
    needs: ClassVar[tuple[Literal["fake", "real", "input"], ...]] = ("fake", "real")
    takes_unit_range: ClassVar[bool] = False

    @staticmethod
    def create() -> "Metric":
        """A new torchmetrics object that accumulates (N, C, H, W) batches."""
        raise NotImplementedError
