"""Which part of [-1, 1] the network sees of images, and which ``range`` would show it all of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pix2pix_lit.images.image_type import ImageType

LEAST_USED = 0.1
"""Part of [-1, 1] below which what differs in images is hardly there for the network."""

MOST_CLIPPED = 0.01
"""Share of clipped pixels that is nothing to speak of."""

_TAIL = 0.005  # share of pixels at either end that may be defects of a sensor
_FEW_IMAGES = 0.02  # share of images that may be unlike the others
_SOME = 1 << 16  # values of an image that are looked at
_MOST_CLASSES = 40  # numbers below which gray values are perhaps those of classes


class Values(NamedTuple):
    """What was measured of an image: the values of all pixels but one in a hundred, and what the range cuts off.

    Attributes:
        low: the lowest.
        high: the highest. A value that most pixels have is not counted with them, so that few bright spots on black
            are not taken for defects.
        clipped: share of pixels beyond ``ImageType.limits``.
    """

    low: float
    high: float
    clipped: float


@dataclass(frozen=True)
class Seen:
    """What a network sees of the images of one side.

    Args:
        low: the lowest number in [-1, 1], but for a few pixels and images.
        high: the highest one.
        clipped: share of pixels that are clipped to -1 or 1.
        lowest: ``low`` as a value of the files.
        highest: ``high`` as a value of the files.
    """

    low: float
    high: float
    clipped: float
    lowest: float
    highest: float

    @property
    def used(self) -> float:
        """Part of [-1, 1] that is used, 0 to 1."""
        return (self.high - self.low) / 2

    @property
    def is_poor(self) -> bool:
        """Whether another range would show more."""
        return self.used < LEAST_USED or self.clipped > MOST_CLIPPED


def measure_values(image: np.ndarray, image_type: ImageType) -> Values | None:
    """Measure an image, (H, W, planes); None for class numbers, which are one-hot in networks."""
    if image_type.kind == "ids":
        return None
    step = max(1, math.isqrt(image.size // _SOME))
    some = image[::step, ::step, : image_type.channels]
    values, counts = np.unique(some, return_counts=True)
    bottom, top = image_type.limits
    clipped = counts[(values < bottom) | (values > top)].sum() / some.size
    usual = counts.argmax()
    is_ground = len(values) > 1 and bool(counts[usual] > some.size / 2)
    if is_ground:  # of which the rest are spots, few as they may be
        counts[usual] = 0
    shares = counts.cumsum() / counts.sum()
    ends = [values[np.searchsorted(shares, share)] for share in (_TAIL, 1 - _TAIL)] + [values[usual]] * is_ground
    return Values(float(min(ends)), float(max(ends)), float(clipped))


def seen_by_network(measured: Sequence[Values], image_type: ImageType) -> Seen | None:
    """What a network sees of images; None of none, and if all that is known are images of one value."""
    telling = [image for image in measured if image.low < image.high]
    if not telling:
        return None
    lowest = float(np.quantile([image.low for image in telling], _FEW_IMAGES, method="lower"))
    highest = float(np.quantile([image.high for image in telling], 1 - _FEW_IMAGES, method="higher"))
    bottom, top = image_type.limits
    low, high = (min(1.0, max(-1.0, 2 * (value - bottom) / (top - bottom) - 1)) for value in (lowest, highest))
    return Seen(low, high, float(np.mean([image.clipped for image in measured])), lowest, highest)


def better_setting(seen: Seen, image_type: ImageType, side: str) -> str:
    """What to type so that a network sees these images, ``a`` or ``b``."""
    classes = f"data/pixels@data.source.{side}=ids data.source.{side}.classes={seen.highest + 1:.0f}"
    is_number = image_type.dtype != "float32" and seen.lowest == 0 and seen.highest < _MOST_CLASSES
    if image_type.is_labels:
        return classes if is_number else ""
    low, high = _round_range(seen.lowest, seen.highest, image_type.dtype)
    setting = f"'data.source.{side}.range=[{low:.9g},{high:.9g}]'"
    return f"{setting} (or, if these are class numbers: {classes})" if is_number else setting


def _round_range(low: float, high: float, dtype: str) -> tuple[float, float]:
    """Round numbers around these: from 0 if they nearly do, and of integers all that so many bits hold."""
    digit = 10.0 ** math.floor(math.log10(high - low) - 1)
    is_from_zero = 0 <= low < LEAST_USED * high
    low = 0.0 if is_from_zero else math.floor(low / digit) * digit
    if dtype == "float32":
        return low, math.ceil(high / digit) * digit
    top = 255 if dtype == "uint8" else 65535
    if is_from_zero:
        return low, min(top, 2 ** int(high).bit_length() - 1)
    return math.floor(max(0, low)), min(top, math.ceil(math.ceil(high / digit) * digit))
