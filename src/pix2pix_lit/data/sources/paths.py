"""Compact lists of paths, shared by data workers."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np


class Paths(Sequence[Path]):
    """A sequence of paths in one block of memory.

    A list of a million ``Path`` objects would gradually be copied into every forked worker, since reading an object
    writes its reference count; this class consists of two objects.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        names = [os.fsencode(path) for path in paths]
        self._ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        self._names = b"".join(names)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"path {index} of {len(self)}")
        start = int(self._ends[index - 1]) if index else 0
        return Path(os.fsdecode(self._names[start : int(self._ends[index])]))
