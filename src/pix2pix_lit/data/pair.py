"""``Pair``, and ``PairSource``, the interface of all data layouts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import RGB, ImageType


class Pair(NamedTuple):
    """Two registered images.

    Attributes:
        a: (H, W, planes) array of the source's type ``a``; the left half of an aligned file, the photo in Cityscapes
            and streets.
        b: the same of type ``b``, equally high and wide; the right half, the labels.
        name: for messages and grids: the name of its (first) file, if there is one.
    """

    a: np.ndarray
    b: np.ndarray
    name: str


class SizeMismatchError(UserError):
    """The two images of a pair differ in height or width."""


class SinglePhotosError(UserError):
    """The files are single photos, not side-by-side pairs."""


class PairSource(ABC):
    """A sequence of pairs, on disk or generated, independent of tensors, direction and augmentation.

    A source is constructed as ``Source(root=..., split=..., **options)``, which raises ``UserError`` if there are no
    usable pairs; ``source[index]`` raises ``UserError`` if one file is unusable.

    Attributes:
        a: image type of the A images.
        b: image type of the B images.
        missing: files without a partner, which are skipped.
        left_out: skipped files that look like images, and folders that cannot be read -> the reason.
    """

    a: ImageType = RGB
    b: ImageType = RGB
    missing: Sequence[Path] = ()
    left_out: Mapping[Path, str] = MappingProxyType({})

    @abstractmethod
    def __len__(self) -> int:
        """Number of pairs."""

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """The pair at ``index`` in [0, len); ``IndexError`` beyond, ``UserError`` if it cannot be read."""

    def prepared(self, index: int, prepare: Callable[[np.ndarray, ImageType], np.ndarray]) -> Pair:
        """The pair at ``index`` with ``prepare``, which resizes, applied to both images."""
        pair = self[index]
        return Pair(prepare(pair.a, self.a), prepare(pair.b, self.b), pair.name)

    def pictures(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """A and B of a pair as (H, W, 3) uint8 RGB for display."""
        return self.a.picture(self.a.finish(pair.a)), self.b.picture(self.b.finish(pair.b))

    def check(self) -> str | None:
        """Check a few pairs before training: a warning if they may not be pairs, or None.

        Raises:
            UserError: if they certainly are not.
        """
        return None

    def files(self, index: int) -> tuple[Path, ...]:
        """The files that the pair at ``index`` is read from; empty for a generated pair."""
        return ()

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain values (JSON) that determine the pairs, apart from their types and the contents of their files."""


def read_pair(a_path: Path, b_path: Path, a: ImageType, b: ImageType, name: str | None = None) -> Pair:
    """Read a pair that is two files; ``name`` defaults to that of the A file.

    Raises:
        UserError: if one cannot be read or does not match its type.
        SizeMismatchError: if they differ in size.
    """
    pair = Pair(read_image(a_path, a), read_image(b_path, b), name or a_path.name)
    if pair.a.shape[:2] != pair.b.shape[:2]:
        raise SizeMismatchError(
            f"{a_path} is {pair.a.shape[1]}x{pair.a.shape[0]} pixels (width x height) but its partner {b_path} is "
            f"{pair.b.shape[1]}x{pair.b.shape[0]}; expected equal sizes: resize one or remove both"
        )
    return pair
