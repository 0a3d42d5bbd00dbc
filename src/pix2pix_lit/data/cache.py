"""Cache of decoded and resized pairs, on disk or in memory."""

import errno
import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from pix2pix_lit.data.isolated_loader import IsolatedLoader
from pix2pix_lit.data.pair import Pair
from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import is_disk_full, remove_leftovers, temporary_folder
from pix2pix_lit.files.lock import locked
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.internals.torch import shared_storage

log = logging.getLogger(__name__)

CacheKind = Literal["none", "disk", "ram"]

_FORMAT = 1  # increase when the file format or the resizing changes
_CHUNK = 16  # pairs that a worker returns at once
_SHARED_MEMORY = Path("/dev/shm")


class CachedPairs:
    """The pairs of a ``ResizedPairs``, read from arrays that all data workers share.

    Args:
        a: image type of the A images.
        b: image type of the B images.
        a_images: (pairs, H, W, planes) of the A images: an array in shared memory, or the .npy file that holds it.
        b_images: the same of the B images.
        names: (pairs,) array of the pairs' names.
    """

    def __init__(
        self,
        a: ImageType,
        b: ImageType,
        a_images: torch.Tensor | Path,
        b_images: torch.Tensor | Path,
        names: np.ndarray,
    ) -> None:
        self.a, self.b = a, b
        self._kept = (a_images, b_images)
        self._names = names
        self._open()

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Pair:
        """The pair at ``index``, both images (height, width, planes) of their own dtype, read-only."""
        return Pair(self._a_images[index], self._b_images[index], str(self._names[index]))

    def __getstate__(self) -> dict[str, Any]:
        """For a spawned worker: the location of the arrays, not their contents."""
        return {key: value for key, value in vars(self).items() if key not in ("_a_images", "_b_images")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def _open(self) -> None:
        self._a_images, self._b_images = (
            np.load(kept, mmap_mode="r") if isinstance(kept, Path) else kept.numpy() for kept in self._kept
        )


def cache_in_memory(pairs: ResizedPairs, num_workers: int, title: str) -> CachedPairs:
    """Load all pairs into memory shared by this process and its data workers.

    Args:
        pairs: to cache.
        num_workers: processes that load pairs; 0 loads them in this process.
        title: of the progress bar.

    Raises:
        UserError: if there is not enough shared memory, or a pair cannot be loaded.
    """
    needed = _bytes(pairs)
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else needed
    try:
        if free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        a_images, b_images = (_shared_array(shape, dtype) for shape, dtype in _layout(pairs))
    except (OSError, RuntimeError) as error:  # torch's is a RuntimeError
        raise UserError(
            f"data.cache=ram needs {_mib(needed)} of shared memory for {title}, and {_mib(free)} are free in "
            f"{_SHARED_MEMORY} ({error}); expected more: set data.cache=disk, or in a container raise its --shm-size"
        ) from error
    names: list[str] = []
    for a, b, chunk_names in _made(pairs, num_workers, title):
        rows = slice(len(names), len(names) + len(chunk_names))
        a_images[rows], b_images[rows] = a, b
        names.extend(chunk_names)
    return CachedPairs(pairs.a, pairs.b, a_images, b_images, np.array(names))


def cache_on_disk(pairs: ResizedPairs, folder: Path, num_workers: int, title: str) -> CachedPairs:
    """Open the cache of these pairs, or build it first.

    A cache is a sub-folder named after a hash of everything its pixels depend on: settings, and path, size and times
    of every source file. It is written under a temporary name and renamed when complete. One process builds it while
    others wait. A cache of an earlier version of the same files is then deleted.

    Args:
        pairs: to cache.
        folder: of all caches.
        num_workers: processes that load pairs; 0 loads them in this process.
        title: the split, also in the progress bar.

    Raises:
        UserError: if the disk is full, the folder cannot be written to, or a pair cannot be loaded.
    """
    cache, needed = folder, _bytes(pairs)
    try:
        paths, states = _files(pairs)
        about = {"format": _FORMAT, "settings": pairs.settings, "paths": paths}
        cache = folder / hashlib.sha256(json.dumps([about, states], sort_keys=True).encode()).hexdigest()[:32]
        if (cached := _open_on_disk(pairs, cache)) is not None:
            return cached
        folder.mkdir(parents=True, exist_ok=True)
        with locked(cache.with_suffix(".lock"), cache):
            if (cached := _open_on_disk(pairs, cache)) is not None:
                return cached
            _make_on_disk(pairs, cache, about, num_workers, title)
            _delete_outdated(cache)
            return _load(pairs, cache)
    except OSError as error:
        if is_disk_full(error):
            raise UserError(
                f"data.cache=disk needs {_mib(needed)} for {title}, and {_mib(shutil.disk_usage(folder).free)} are "
                f"free in {folder} ({error.strerror}); expected more: free some space, set data.cache_dir to another "
                f"disk, or data.cache=none"
            ) from error
        raise UserError(
            f"the cache {cache} cannot be created ({error}); expected a writable folder: set data.cache_dir, or "
            f"data.cache=none"
        ) from error


def _open_on_disk(pairs: ResizedPairs, cache: Path) -> CachedPairs | None:
    """The cache, or None if it is missing or incomplete."""
    if not (cache / "about.json").is_file():
        return None
    try:
        return _load(pairs, cache)
    except (OSError, ValueError):  # a part was deleted or truncated
        return None


def _load(pairs: ResizedPairs, cache: Path) -> CachedPairs:
    return CachedPairs(pairs.a, pairs.b, cache / "a.npy", cache / "b.npy", np.load(cache / "names.npy"))


def _make_on_disk(pairs: ResizedPairs, cache: Path, about: dict[str, Any], num_workers: int, title: str) -> None:
    remove_leftovers(cache.parent)  # incomplete caches of killed processes
    shutil.rmtree(cache, ignore_errors=True)  # an incomplete cache
    if shutil.disk_usage(cache.parent).free < _bytes(pairs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with temporary_folder(cache.parent) as partial:
        a_layout, b_layout = _layout(pairs)
        names: list[str] = []
        with _array_file(partial / "a.npy", *a_layout) as a_file, _array_file(partial / "b.npy", *b_layout) as b_file:
            for a, b, chunk_names in _made(pairs, num_workers, title):
                a_file.write(a.numpy().data)
                b_file.write(b.numpy().data)
                names.extend(chunk_names)
        np.save(partial / "names.npy", np.array(names))
        (partial / "about.json").write_text(json.dumps(about, indent=1, sort_keys=True))
        partial.rename(cache)
    log.info("%s: %d pairs cached in %s (%s)", title, len(pairs), cache, _mib(_bytes(pairs)))


@contextmanager
def _array_file(path: Path, shape: tuple[int, ...], dtype: str) -> Iterator[BinaryIO]:
    """Open a .npy file to write the items of an array to; synced to disk on exit.

    Not a memory map: writing to a page when the disk is full ends the process by SIGBUS.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _shared_array(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """An array in shared memory, with all its pages allocated.

    Raises:
        OSError, RuntimeError: if there is not enough memory.
    """
    kind = getattr(torch, dtype)
    storage = shared_storage(math.prod(shape) * kind.itemsize)
    array = torch.empty(0, dtype=kind).set_(storage).view(shape)
    _reserve(array.numpy())
    return array


def _reserve(memory: np.ndarray) -> None:
    """Allocate all pages of a mapped array, filled with zeros.

    Writing to a page that cannot be allocated ends the process by SIGBUS; in a system call it is an error instead.

    Raises:
        OSError: if there is not enough memory.
    """
    view = memory.data.cast("B")
    with open("/dev/zero", "rb", buffering=0) as zeros:
        while view:
            view = view[zeros.readinto(view) :]  # reads at most 2 GiB, and only up to the first missing page


def _delete_outdated(cache: Path) -> None:
    ours = (cache / "about.json").read_bytes()
    for other in cache.parent.glob("*/about.json"):
        if other.parent != cache and other.read_bytes() == ours:
            shutil.rmtree(other.parent, ignore_errors=True)  # not its lock file: a process may be waiting for it


_Chunk = tuple[torch.Tensor, torch.Tensor, Sequence[str]]


def _made(pairs: ResizedPairs, num_workers: int, title: str) -> Iterator[_Chunk]:
    """A images, B images and names of consecutive pairs, chunk by chunk."""
    with tqdm(total=len(pairs), desc=f"Caching {title}", unit="pair") as progress:
        for chunk in IsolatedLoader(_Chunks(pairs), num_workers):
            yield chunk
            progress.update(len(chunk[2]))


class _Chunks(Dataset[_Chunk]):
    """Consecutive pairs, stacked; as tensors, which pass between processes in shared memory."""

    def __init__(self, pairs: ResizedPairs) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return -(-len(self.pairs) // _CHUNK)

    def __getitem__(self, index: int) -> _Chunk:
        chosen = range(index * _CHUNK, min((index + 1) * _CHUNK, len(self.pairs)))
        a, b, names = zip(*(self.pairs[i] for i in chosen), strict=True)
        return torch.from_numpy(np.stack(a)), torch.from_numpy(np.stack(b)), names


def _layout(pairs: ResizedPairs) -> list[tuple[tuple[int, ...], str]]:
    """Shape and dtype of the arrays of both images."""
    return [((len(pairs), *pairs.size, kind.planes), kind.stored_dtype) for kind in (pairs.a, pairs.b)]


def _bytes(pairs: ResizedPairs) -> int:
    return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in _layout(pairs))


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _files(pairs: ResizedPairs) -> tuple[str, str]:
    """Hashes of the paths of all files of all pairs, and of their sizes and times, which detect any change."""
    paths, states = hashlib.sha256(), hashlib.sha256()
    for index in range(len(pairs)):
        for path in pairs.source.files(index):
            state = os.stat(path)
            paths.update(os.fsencode(path.absolute()) + b"\0")
            # st_ctime changes even where a copy keeps st_mtime.
            states.update(f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}\0".encode())
    return paths.hexdigest(), states.hexdigest()
