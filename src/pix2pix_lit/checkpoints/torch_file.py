"""Files of ``torch.save``: written with a checksum over all bytes, read without executing code in them.

``torch.load`` trusts files too much: even with ``weights_only=True`` it calls the functions on its list of allowed
ones with arguments from the file, allocates as much memory as the file asks for, and reads the zip archive with a
parser that verifies no checksums. Here Python's own unpickler (docs.python.org, "Restricting Globals") creates plain
values and descriptions of tensors, and ``zipfile`` is the only parser of the archive.
"""

import hashlib
import io
import math
import os
import pickle
import pickletools
import stat
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

_MARK = b"pix2pix-lit sha256 "
_COMMENT = len(_MARK) + 64
"""Length of the zip archive's comment: the mark, then the hexadecimal SHA-256 of the archive without the comment."""

_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""The first bytes of files written by PyTorch before 1.6 (``torch/serialization.py``)."""

_MOST_OPERATIONS = 2_000_000
"""Limit on the operations of a pickle, each of which can create an object; the largest networks need about 50,000."""
_MOST_VALUES = 2**24
"""Limit on values and characters after expansion: a list that is referenced many times counts each time."""
_DEEPEST = 64
_MOST_DIMENSIONS = 8


class NotPlainError(ValueError):
    """The file contains objects other than tensors and plain values."""


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype
    length: int


class _StoredTensor(NamedTuple):
    storage: Any
    offset: Any
    size: Any
    stride: Any


def _stored_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _StoredTensor:
    return _StoredTensor(storage, offset, size, stride)  # checked after the file has been read


def _stored_parameter(data: Any, *_: Any) -> Any:
    return data


_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _stored_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _stored_tensor,
    ("torch._utils", "_rebuild_parameter"): _stored_parameter,
} | {
    ("torch", f"{name}Storage"): dtype
    for name, dtype in {
        "Float": torch.float32,
        "Double": torch.float64,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }.items()
}
"""The only globals that a file may refer to."""


def check_is_file(path: Path) -> None:
    """Check that a path is a regular file, without opening it: opening a FIFO would wait for a writer.

    Raises:
        FileNotFoundError: if nothing exists there.
        IsADirectoryError: for a folder.
        ValueError: for a device, a FIFO or a socket.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path} is a folder")
    if not stat.S_ISREG(mode):
        raise ValueError("it is a device, a FIFO or a socket")


def save(value: Any, file: BinaryIO) -> None:
    """``torch.save`` to a new file, with a checksum that ``load`` verifies; ``torch.load`` reads it like any other.

    Args:
        value: dictionaries, lists and tuples of tensors and plain values.
        file: empty, opened for writing.
    """
    hashing = _Hashing(file)
    torch.save(value, cast(IO[bytes], hashing))
    # The last two bytes of an archive without a comment are the length of the comment.
    file.seek(-2, os.SEEK_END)
    file.write(_COMMENT.to_bytes(2, "little") + _MARK + hashing.digest.hexdigest().encode())


def load(path: Path) -> Any:
    """Load a file of ``save`` or ``torch.save``: dictionaries, lists and tuples of plain values and CPU tensors.

    Everything is verified: the checksum of the file if it has one (torch writes none), the checksums of the archive's
    entries, and that the storages are as large as the tensors require. Memory use is proportional to the file's size.

    Args:
        path: a regular file; see ``check_is_file``.

    Raises:
        NotPlainError: if the file contains anything else, which could run code when it is loaded.
        ValueError, EOFError, OSError, zipfile.BadZipFile: if it is damaged or not a file of ``torch.save``.
    """
    check_is_file(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        return _load_zip(file, size) if is_zip else _load_legacy(file, size)


class _Hashing:
    """A file wrapper that hashes what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()

    def write(self, content: Any) -> int:
        self.digest.update(content)
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def _load_zip(file: BinaryIO, size: int) -> Any:
    has_checksum = _verify(file, size)
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) < len(archive.infolist()):
            raise ValueError("two entries have the same name")
        if archive.comment and not has_checksum:
            raise ValueError("the mark of its checksum is damaged")
        # torch.save does not compress. If all entries together are no larger than the file, no two share bytes.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError("an entry is compressed, which torch.save never does")
        if sum(entry.file_size for entry in entries.values()) > size:
            raise ValueError("its entries claim to be larger than the file")
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it is not an archive of torch.save")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        pickled = archive.read(pickles[0])
        read = {pickles[0], f"{folder}byteorder"}

        def bytes_of(storage: _Storage) -> bytes:
            name = f"{folder}data/{storage.key}"
            if name not in entries or entries[name].file_size != storage.length * storage.dtype.itemsize:
                raise ValueError(f"{name} does not hold {storage.length} numbers of {storage.dtype}")
            read.add(name)
            return archive.read(name)

        value = _Builder(bytes_of, size).plain(_unpickled(pickled))
        for name in entries.keys() - read:
            archive.read(name)  # verifies its checksum
        return value


def _verify(file: BinaryIO, size: int) -> bool:
    """Verify the checksum of the file; False if it has none."""
    rest = size - _COMMENT - 2
    if rest < 0:
        return False
    file.seek(rest)
    length, comment = file.read(2), file.read()
    file.seek(0)
    if not comment.startswith(_MARK):
        return False
    digest = hashlib.sha256()
    while rest:
        block = file.read(min(rest, 2**20))
        if not block:
            break
        digest.update(block)
        rest -= len(block)
    digest.update(b"\0\0")
    file.seek(0)
    if length != _COMMENT.to_bytes(2, "little") or digest.hexdigest().encode() != comment[len(_MARK) :]:
        raise ValueError("the checksum of the file is wrong")
    return True


def _load_legacy(file: BinaryIO, size: int) -> Any:
    """Read four pickles (magic number, protocol, system, the value), then the names and bytes of the storages."""
    magic = _next_unpickled(file)
    if isinstance(magic, bool) or magic != _LEGACY_MAGIC:
        raise ValueError(f"it starts with a {type(magic).__name__}, unlike files of torch.save")
    protocol, system, value, keys = (_next_unpickled(file) for _ in range(4))
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError(f"protocol {protocol!r} on a system {system!r} is unknown")
    if not isinstance(keys, list):
        raise ValueError("the names of its storages are not a list")
    places: dict[Any, tuple[int, int]] = {}
    builder = _Builder(lambda storage: _content(file, storage, places.get(storage.key, (0, -1))), size)
    dtypes = {storage.key: storage.dtype for storage in builder.storages(value)}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        if key not in dtypes or count * dtypes[key].itemsize > size - file.tell():
            raise ValueError(f"the storage {key!r} of {count} numbers is not in it")
        places[key] = file.tell(), count
        file.seek(count * dtypes[key].itemsize, os.SEEK_CUR)
    return builder.plain(value)


def _content(file: BinaryIO, storage: _Storage, place: tuple[int, int]) -> bytes:
    start, count = place
    if count != storage.length:
        raise ValueError(f"the storage {storage.key!r} of {storage.length} numbers is not in it")
    file.seek(start)
    return file.read(count * storage.dtype.itemsize)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise NotPlainError(f"it names {module}.{name}"[:200])
        return _GLOBALS[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, str(), int() as count, *view) if view in (
                [],
                [None],
            ):
                return _Storage(key, dtype, count)
        raise ValueError("a tensor's numbers are stored in an unknown way")


def _next_unpickled(file: BinaryIO) -> Any:
    start = file.tell()
    _check_operations(file)
    end = file.tell()
    file.seek(start)
    return _run_unpickler(file.read(end - start))


def _unpickled(content: bytes) -> Any:
    _check_operations(content)
    return _run_unpickler(content)


def _run_unpickler(content: bytes) -> Any:
    try:
        return _Unpickler(io.BytesIO(content), encoding="utf-8").load()
    except NotPlainError:
        raise
    except Exception as error:  # malformed operations can raise anything
        raise ValueError(f"its pickle is damaged: {type(error).__name__} {error}"[:200]) from error


def _check_operations(pickled: Any) -> None:
    """Check all operations of a pickle before any of them runs.

    ``torch.save`` writes protocol 2. The unpickler allocates its memo for the highest key in use, which is therefore
    limited by the number of operations.
    """
    names: list[str] = []
    argument: Any
    for count, (operation, argument, _) in enumerate(pickletools.genops(pickled)):
        if count > _MOST_OPERATIONS:
            raise ValueError(f"its pickle has more than {_MOST_OPERATIONS} operations")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > _MOST_OPERATIONS:
            raise ValueError(f"its pickle has the memo key {argument}")
        if operation.proto > 2:
            raise NotPlainError(f"its pickle has the operation {operation.name}, which torch.save does not write")
        if operation.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            if (module, name) not in _GLOBALS:
                names.append(f"{module}.{name}")
    if names:
        raise NotPlainError(f"it names {', '.join(dict.fromkeys(names))}"[:200])


class _Builder:
    """Copies an unpickled value, with tensors in place of their descriptions.

    Args:
        bytes_of: returns the content of a storage; raises if the file does not contain it.
        size: of the file in bytes, the limit on the size of all tensors together.
    """

    def __init__(self, bytes_of: Callable[[_Storage], bytes], size: int) -> None:
        self.bytes_of = bytes_of
        self.left = size
        self.contents: dict[str, Tensor] = {}  # bytes of each storage
        self.copies: dict[int, tuple[Any, int]] = {}  # copy of each container or tensor, and its number of values

    def plain(self, value: Any) -> Any:
        return self._copy(value, _DEEPEST)[0]

    def storages(self, value: Any) -> "list[_Storage]":
        """The storages of all tensors in a value."""
        found: list[_Storage] = []
        seen: set[int] = set()
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if type(item) is _Storage:
                found.append(item)
            elif isinstance(item, dict | list | tuple) and id(item) not in seen:
                seen.add(id(item))
                waiting += dict.values(item) if isinstance(item, dict) else item
        return found

    def _copy(self, value: Any, depth: int) -> tuple[Any, int]:
        kind = type(value)
        if kind is int and value.bit_length() > 64:
            raise ValueError(f"it holds a number of {value.bit_length()} bits")
        if kind in (type(None), bool, int, float):
            return value, 1
        if kind is str:
            return value, 1 + len(value)
        if kind not in (dict, OrderedDict, list, tuple, _StoredTensor):
            raise NotPlainError(f"it holds a {kind.__name__}")
        if id(value) not in self.copies:
            if depth == 0:
                raise ValueError(f"its values are nested more than {_DEEPEST} deep, or within themselves")
            self.copies[id(value)] = copy = self._copied(value, depth - 1)
            if copy[1] > _MOST_VALUES:
                raise ValueError(f"its repeated references expand to more than {_MOST_VALUES} values")
        return self.copies[id(value)]

    def _copied(self, value: Any, depth: int) -> tuple[Any, int]:
        if type(value) is _StoredTensor:
            return self._tensor(value), 1
        if isinstance(value, dict):
            items = []
            for key, item in dict.items(value):
                if type(key) not in (str, int):
                    raise NotPlainError(f"it holds a dictionary with a {type(key).__name__} for a key")
                items.append((key, self._copy(item, depth)))
            content = sum(size + (len(key) if type(key) is str else 1) for key, (_, size) in items)
            return {key: item for key, (item, _) in items}, 1 + content
        copies = [self._copy(item, depth) for item in value]
        return type(value)(item for item, _ in copies), 1 + sum(size for _, size in copies)

    def _tensor(self, described: _StoredTensor) -> Tensor:
        storage, offset, size, stride = described
        is_shape = type(size) is type(stride) is tuple and len(size) == len(stride) <= _MOST_DIMENSIONS
        if type(storage) is not _Storage or not is_shape or not all(map(_is_size, (offset, *size, *stride))):
            raise ValueError("a tensor has an invalid shape")
        count = math.prod(size)
        end = offset + 1 + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if count else 0
        self.left -= count * storage.dtype.itemsize
        if max(end, count) > storage.length or self.left < 0:
            raise ValueError(f"a tensor of shape {list(size)} is larger than its storage")
        if storage.key not in self.contents:
            content = np.frombuffer(self.bytes_of(storage), np.uint8)
            self.contents[storage.key] = torch.empty(len(content), dtype=torch.uint8)  # aligned as torch expects
            self.contents[storage.key].numpy()[:] = content
        stored = self.contents[storage.key]
        if len(stored) != storage.length * storage.dtype.itemsize:
            raise ValueError(f"{storage.key} does not hold {storage.length} numbers of {storage.dtype}")
        return stored.view(storage.dtype).as_strided(size, stride, offset)


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**48
