"""What a source gives and what every source promises."""

from typing import NamedTuple, Protocol

import numpy as np


class Pair(NamedTuple):
    """Two registered images.

    Attributes:
        a: (H, W, 3) uint8 RGB; the left half of an aligned file, the photo in Cityscapes and streets.
        b: (H, W, 3) uint8 RGB of the same height and width; the right half, the colour-coded labels.
        name: what to call the pair in messages and pictures: the name of its (first) file where it has one.
    """

    a: np.ndarray
    b: np.ndarray
    name: str


class PairSource(Protocol):
    """An indexable set of pairs on disk or generated; knows nothing of tensors, direction or augmentation.

    A source is built as ``source(root=..., split=..., **its own options)`` and raises ``UserError`` then if there
    is nothing usable, and from ``__getitem__`` if one file is unusable.
    """

    def __len__(self) -> int:
        """Number of pairs."""
        ...

    def __getitem__(self, index: int) -> Pair:
        """The pair at ``index`` in [0, len); ``IndexError`` beyond."""
        ...
