"""Files of torch.save are verified to the last bit, and cannot make their reader run, wait or take memory."""

import collections
import io
import os
import pickle
import resource
import traceback
import zipfile
from collections import OrderedDict

import pytest
import torch

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.torch_file import NotPlainError

NETWORK = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)
CONTENT = {
    "state_dict": NETWORK.state_dict(),
    "step": 12,
    "names": ["a", ("b", None, True, 2.5)],
    "part": torch.arange(10.0)[2:8:2],
    "empty": torch.empty(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
    "mapping": OrderedDict(mask=torch.tensor([True, False]), count=torch.tensor(3)),
}


def saved(path, content=CONTENT):
    with open(path, "wb") as file:
        torch_file.save(content, file)
    return path


def equal(a, b):
    if isinstance(a, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
        return same and a.contiguous().flatten().view(torch.uint8).equal(b.contiguous().flatten().view(torch.uint8))
    if isinstance(a, dict):
        return [*a] == [*b] and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("kind", ["with a checksum", "of torch", "of torch before 1.6"])
def test_what_was_saved_comes_back(tmp_path, kind):
    path = tmp_path / "x.ckpt"
    if kind == "with a checksum":
        saved(path)
        assert equal(torch.load(path)["state_dict"], CONTENT["state_dict"])  # as other programs read it
        assert equal(torch.load(path, mmap=True)["part"], CONTENT["part"])
    else:
        torch.save(CONTENT, path, _use_new_zipfile_serialization=kind == "of torch")
    assert equal(torch_file.load(path), CONTENT | {"parameter": CONTENT["parameter"].data})


def structure(content):
    """The places in a file of everything that is no entry's content."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory, entries = archive.start_dir, archive.infolist()
    places = [*range(directory, len(content))]
    for entry in entries:
        places += range(entry.header_offset, entry.header_offset + 30 + len(entry.filename))
    return places


def loaded(path, content):
    path.write_bytes(content)
    try:
        return torch_file.load(path)
    except (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("has_checksum", [True, False])
def test_no_flipped_bit_changes_what_is_read(tmp_path, has_checksum):
    path = tmp_path / "x.ckpt"
    values = {"weight": torch.ones(2), "step": 1}
    content = saved(path, values).read_bytes()
    if not has_checksum:
        torch.save(values, path)
        content = path.read_bytes()
    expected = loaded(path, content)
    bits = [8 * place + place % 8 for place in {*structure(content), *range(0, len(content), 16)}]
    for bit in bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        found = loaded(path, flipped)
        assert found is None or (not has_checksum and equal(found, expected)), f"bit {bit % 8} of byte {bit // 8}"


class Calls:
    """What unpickling calls."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = {
    "os.mkdir": Calls(os.mkdir, "pwned"),
    "traceback.FrameSummary": Calls(traceback.FrameSummary, "/dev/zero", 1, "f"),  # on torch's own list
    "builtins.bytearray": Calls(bytearray, 2**34),
    "torch._tensor._rebuild_from_type_v2": Calls(torch._tensor._rebuild_from_type_v2, print, torch.Tensor, (), {}),
    "collections.Counter": collections.Counter(a=1),
}


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("name", ATTACKS)
def test_only_what_tensors_need_can_be_named(tmp_path, monkeypatch, name, is_zip):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": torch.ones(3), "more": ATTACKS[name]}, "x.ckpt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(NotPlainError, match=f"it names .*{name.rpartition('.')[2]}"):
        torch_file.load(tmp_path / "x.ckpt")
    assert os.listdir() == ["x.ckpt"]


def archive(path, pickled, compression=zipfile.ZIP_STORED, storages=(b"",)):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("x/data.pkl", pickled)
        for number, content in enumerate(storages):
            file.writestr(f"x/data/{number}", content)


def tensor(count, size, stride, offset=0):
    """A pickle of one tensor of float32 that says this of itself."""

    class Described:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Stored(), offset, size, stride, False, OrderedDict())

    class Stored:
        pass

    class Pickler(pickle._Pickler):  # torch's own module has a storage for a storage
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", count) if isinstance(value, Stored) else None

    file = io.BytesIO()
    Pickler(file, protocol=2).dump({"x": Described()})
    return file.getvalue()


def nested(depth):
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def doubled(times):
    """A list of the same list twice, and so on: 4 bytes each."""
    return b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(times)) + b"."


SMALL_FILES = {
    "tensor larger than its numbers": (
        (tensor(4, (2**30, 2**10), (2**10, 1)), 0, [bytes(16)]),
        "larger than its storage",
    ),
    "tensor that repeats its numbers": ((tensor(4, (2**40,), (0,)), 0, [bytes(16)]), "larger than its storage"),
    "tensor of other numbers": ((tensor(4, (4,), (1,), 2), 0, [bytes(16)]), "larger than its storage"),
    "storage that is not there": ((tensor(2**40, (4,), (1,)), 0, [bytes(16)]), "x/data/0 does not hold"),
    "negative shape": ((tensor(4, (-1, -4), (1, 1)), 0, [bytes(16)]), "an invalid shape"),
    "compressed": ((b"\x80\x02" + b"]" * 2**22 + b".", zipfile.ZIP_DEFLATED, []), "compressed"),
    "deep": ((nested(10_000), 0, []), "nested more than"),
    "doubled": ((doubled(50), 0, []), "repeated references"),
    "within itself": ((b"\x80\x02]q\x00h\x00a.", 0, []), "within themselves"),
    "memo": ((b"\x80\x02]r\xff\xff\xff\xff.", 0, []), "the memo key"),
    "many": ((b"\x80\x02" + b"]" * 2**18 + b".", 0, []), "operations"),
    "newer protocol": ((pickle.dumps({}, protocol=4), 0, []), "has the operation .*, which torch.save does not write"),
    "huge number": ((pickle.dumps(2**2000, protocol=2), 0, []), "a number of 2001 bits"),
    "no list of operations": ((b"\x80\x02aaaa.", 0, []), "its pickle is damaged"),
}


@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_small_file_cannot_take_much(tmp_path, monkeypatch, name):
    monkeypatch.setattr(torch_file, "_MOST_OPERATIONS", 100_000)
    (pickled, compression, storages), message = SMALL_FILES[name]
    archive(tmp_path / "x.ckpt", pickled, compression, storages)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message):
        torch_file.load(tmp_path / "x.ckpt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    content = saved(tmp_path / "x.ckpt").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.ckpt") as file:
        start = file.start_dir
    directory = bytearray(content[start:])
    first = directory.find(b"PK\x01\x02", 4)  # of two entries, give the second one the first one's name
    directory[first + 46 : first + 46 + 16] = directory[46 : 46 + 16]
    assert loaded(tmp_path / "x.ckpt", content[:start] + directory) is None


def test_a_device_a_fifo_and_a_folder_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, error in ((tmp_path / "fifo", ValueError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error):
            torch_file.load(path)
    with pytest.raises(ValueError, match="a device, a FIFO or a socket"):
        torch_file.load(torch_file.Path("/dev/zero"))
