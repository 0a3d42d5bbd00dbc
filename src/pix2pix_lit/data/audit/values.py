"""The part of [-1, 1] that images use in the network, and the ``range`` that would use all of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pix2pix_lit.images.image_type import ImageType

LEAST_USED = 0.1
"""Part of [-1, 1] below which images have hardly any contrast for the network."""

MOST_CLIPPED = 0.01
"""Negligible share of clipped pixels."""

_TAIL = 0.005  # share of pixels at either end that may be sensor defects
_FEW_IMAGES = 0.02  # share of images that are ignored as outliers
_SOME = 1 << 16  # values that are counted per image
_MOST_CLASSES = 40  # gray values below this may be class numbers


class Values(NamedTuple):
    """Value range of an image, ignoring one pixel in a hundred, and the share that is clipped.

    Attributes:
        low: the lowest value.
        high: the highest value. A value that most pixels have is excluded from the count: otherwise a few bright spots
            on black would be ignored as defects.
        clipped: share of pixels beyond ``ImageType.limits``.
    """

    low: float
    high: float
    clipped: float


@dataclass(frozen=True)
class Seen:
    """Value range that a network sees of the images of one side.

    Args:
        low: the lowest value in [-1, 1], ignoring a few pixels and images.
        high: the highest value.
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
        """Whether another range would be better."""
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
    if is_ground:  # a background; the rest counts, however few pixels it has
        counts[usual] = 0
    shares = counts.cumsum() / counts.sum()
    ends = [values[np.searchsorted(shares, share)] for share in (_TAIL, 1 - _TAIL)] + [values[usual]] * is_ground
    return Values(float(min(ends)), float(max(ends)), float(clipped))


def seen_by_network(measured: Sequence[Values], image_type: ImageType) -> Seen | None:
    """Value range that a network sees of images; None without images, or if each has a single value."""
    telling = [image for image in measured if image.low < image.high]
    if not telling:
        return None
    lowest = float(np.quantile([image.low for image in telling], _FEW_IMAGES, method="lower"))
    highest = float(np.quantile([image.high for image in telling], 1 - _FEW_IMAGES, method="higher"))
    bottom, top = image_type.limits
    low, high = (min(1.0, max(-1.0, 2 * (value - bottom) / (top - bottom) - 1)) for value in (lowest, highest))
    return Seen(low, high, float(np.mean([image.clipped for image in measured])), lowest, highest)


def better_setting(seen: Seen, image_type: ImageType, side: str) -> str:
    """Overrides with which the images of side ``a`` or ``b`` use the range of the network."""
    classes = f"data/pixels@data.source.{side}=ids data.source.{side}.classes={seen.highest + 1:.0f}"
    is_number = image_type.dtype != "float32" and seen.lowest == 0 and seen.highest < _MOST_CLASSES
    if image_type.is_labels:
        return classes if is_number else ""
    low, high = _round_range(seen.lowest, seen.highest, image_type.dtype)
    setting = f"'data.source.{side}.range=[{low:.9g},{high:.9g}]'"
    return f"{setting} (or, if these are class numbers: {classes})" if is_number else setting


def _round_range(low: float, high: float, dtype: str) -> tuple[float, float]:
    """A rounded range around these values: from 0 if nearly so, and for integers to the top of a number of bits."""
    digit = 10.0 ** math.floor(math.log10(high - low) - 1)
    is_from_zero = 0 <= low < LEAST_USED * high
    low = 0.0 if is_from_zero else math.floor(low / digit) * digit
    if dtype == "float32":
        return low, math.ceil(high / digit) * digit
    top = 255 if dtype == "uint8" else 65535
    if is_from_zero:
        return low, min(top, 2 ** int(high).bit_length() - 1)
    return math.floor(max(0, low)), min(top, math.ceil(math.ceil(high / digit) * digit))
