"""What a source gives and what every source promises."""

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
        name: what to call the pair in messages and pictures: the name of its (first) file where it has one.
    """

    a: np.ndarray
    b: np.ndarray
    name: str


class SizeMismatchError(UserError):
    """The two images of a pair differ in height or width."""


class SinglePhotosError(UserError):
    """What should be pairs are photos, cut in two."""


class PairSource(ABC):
    """An indexable set of pairs on disk or generated; knows nothing of tensors, direction or augmentation.

    A source is built as ``Source(root=..., split=..., **its own options)`` and raises ``UserError`` then if there is
    nothing usable, and from ``source[index]`` if one file is unusable.

    Attributes:
        a: what the A images are.
        b: what the B images are.
        missing: files that have no partner and are left out.
        left_out: files that look like images but cannot be taken, and folders that cannot be looked into -> why.
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
        """The pair at ``index`` in [0, len); ``IndexError`` beyond, ``UserError`` if it cannot be had."""

    def prepared(self, index: int, prepare: Callable[[np.ndarray, ImageType], np.ndarray]) -> Pair:
        """The pair at ``index``, resized: each image as ``prepare`` makes it of what is in the files."""
        pair = self[index]
        return Pair(prepare(pair.a, self.a), prepare(pair.b, self.b), pair.name)

    def pictures(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """A and B of one of the pairs as (H, W, 3) uint8 RGB, to be looked at."""
        return self.a.picture(self.a.finish(pair.a)), self.b.picture(self.b.finish(pair.b))

    def check(self) -> str | None:
        """Look at a few pairs, before hours of training: what makes one doubt that they are pairs, or None.

        Raises:
            UserError: if they surely are none.
        """
        return None

    def files(self, index: int) -> tuple[Path, ...]:
        """The files that the pair at ``index`` is read from; none for a pair that is made."""
        return ()

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain values (JSON): all that pairs depend on besides their types and the contents of their files."""


def read_pair(a_path: Path, b_path: Path, a: ImageType, b: ImageType, name: str | None = None) -> Pair:
    """Read a pair that is two files; ``name`` defaults to that of the A file.

    Raises:
        UserError: if one cannot be read, or is not of its type.
        SizeMismatchError: if they differ in size.
    """
    pair = Pair(read_image(a_path, a), read_image(b_path, b), name or a_path.name)
    if pair.a.shape[:2] != pair.b.shape[:2]:
        raise SizeMismatchError(
            f"{a_path} is {pair.a.shape[1]}x{pair.a.shape[0]} pixels (width x height) but its partner {b_path} is "
            f"{pair.b.shape[1]}x{pair.b.shape[0]}; expected equal sizes, pixel on pixel: resize one or remove both"
        )
    return pair
