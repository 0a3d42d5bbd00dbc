"""Measure every pair of a split, in several processes, reading it only once."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from pix2pix_lit.data.audit.colors import Histogram, flat_colors
from pix2pix_lit.data.audit.sides import Appearance, appearance
from pix2pix_lit.data.audit.values import Values, measure_values
from pix2pix_lit.data.isolated_loader import IsolatedLoader
from pix2pix_lit.data.pair import PairSource, SizeMismatchError
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.palettes import off_palette
from pix2pix_lit.images.registration import Registration, register

FAR = 40
"""RGB units; hardly any pixel of good JPEG labels is farther from the palette."""

DISTANCES = (0, 5, 10, 20, FAR)
"""RGB units for which the shares of pixels off the palette are counted."""

_SAMPLE = 200  # pairs of a split that are measured in more detail


class Measures(NamedTuple):
    """Measurements of a pair, as ``(a, b)`` if there are two.

    Attributes:
        name: of the pair.
        size: width and height.
        digests: hashes of the pixels; None for images of a single colour.
        appearances: of the two images.
        off_palette: ``FAR`` or, for some pairs, all ``DISTANCES`` -> share of pixels farther than that from the
            palette of the labels; empty without a palette.
        values: range of the values; None for class numbers.
        colors: colours of flat regions of colour-coded labels, for some pairs.
        registration: agreement of the edges of A and B.
        mixed: agreement of the edges of A and of B of another pair, for some pairs.
    """

    name: str
    size: tuple[int, int]
    digests: tuple[bytes | None, bytes | None]
    appearances: tuple[Appearance, Appearance]
    off_palette: tuple[dict[int, float], dict[int, float]]
    values: tuple[Values | None, Values | None]
    colors: tuple[Histogram, Histogram]
    registration: Registration
    mixed: Registration | None


class Failure(NamedTuple):
    """A pair that cannot be read."""

    message: str
    is_size_mismatch: bool


def measure_pairs(source: PairSource, num_workers: int) -> Iterator[Measures | Failure]:
    """Measure all pairs, in their order.

    Args:
        source: of the pairs.
        num_workers: processes that read and measure; 0 does it in this process.
    """
    loader = IsolatedLoader(_Measurer(source), num_workers)
    yield from loader


def is_constant(image: np.ndarray) -> bool:
    """Whether (H, W, planes) has a single colour, ignoring a margin of 1/16, where JPEG mixes the halves of a file."""
    height, width = image.shape[:2]
    inner = image[height // 16 : height - height // 16, width // 16 : width - width // 16]
    return bool((inner == inner[:1, :1]).all())


class _Measurer(Dataset[Measures | Failure]):
    def __init__(self, source: PairSource) -> None:
        self.source = source
        self.stride = max(1, len(source) // _SAMPLE)
        colors = [side.palette_colors if side.kind == "colors" else None for side in (source.a, source.b)]
        self.is_colored = [palette is not None for palette in colors]
        # Photos are measured with the palette of their labels too, to find out which of the two the labels are.
        self.palettes = [own if own is not None else other for own, other in zip(colors, colors[::-1], strict=True)]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Measures | Failure:
        try:
            pair = self.source[index]
        except UserError as error:
            return Failure(str(error), isinstance(error, SizeMismatchError))
        a, b = self.source.pictures(pair)
        is_sampled = index % self.stride == 0
        return Measures(
            name=pair.name,
            size=(a.shape[1], a.shape[0]),
            digests=(_digest(pair.a), _digest(pair.b)),
            appearances=(appearance(a), appearance(b)),
            off_palette=(self._off_palette(0, pair.a, is_sampled), self._off_palette(1, pair.b, is_sampled)),
            values=(measure_values(pair.a, self.source.a), measure_values(pair.b, self.source.b)),
            colors=(self._colors(0, pair.a, is_sampled), self._colors(1, pair.b, is_sampled)),
            registration=register(a, b),
            mixed=self._mixed(index, a) if is_sampled else None,
        )

    def _off_palette(self, side: int, image: np.ndarray, closely: bool) -> dict[int, float]:
        palette = self.palettes[side]
        if palette is None or image.shape[-1] < 3 or image.dtype != np.uint8:
            return {}
        some = np.ascontiguousarray(image[::2, ::2, :3])
        distances = DISTANCES if closely and self.is_colored[side] else (FAR,)
        return {distance: off_palette(some, palette, distance) for distance in distances}

    def _colors(self, side: int, image: np.ndarray, closely: bool) -> Histogram:
        if not closely or not self.is_colored[side] or image.dtype != np.uint8:
            return {}
        return flat_colors(np.ascontiguousarray(image[..., :3]))

    def _mixed(self, index: int, a: np.ndarray) -> Registration | None:
        try:  # half the data set away, since neighbours may be frames of one video
            other = self.source[(index + len(self) // 2) % len(self)]
        except UserError:
            return None
        b = self.source.b.picture(self.source.b.finish(other.b))
        return register(a, b) if b.shape == a.shape else None


def _digest(image: np.ndarray) -> bytes | None:
    if is_constant(image):
        return None
    shape = f"{image.shape} {image.dtype}".encode()
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16, key=shape[:64]).digest()
