"""Decoded pairs that are made but once."""

import json
import mmap
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from pix2pix_lit.data import cache as cache_module
from pix2pix_lit.data.cache import cache_in_memory, cache_on_disk
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType

HEIGHTS = ImageType(channels=1, dtype="float32", range=[0, 1])
CLASSES = ImageType(kind="ids", channels=1, classes=9, instance_edges=True)


class Made(PairSource):
    """Pairs that are computed, and counted."""

    a, b = HEIGHTS, CLASSES

    def __init__(self, length: int = 40, seed: int = 0, seconds: float = 0.0, broken: int | None = None) -> None:
        self.length, self.seed, self.seconds, self.broken = length, seed, seconds, broken
        self.reads = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Pair:
        self.reads += 1
        time.sleep(self.seconds)
        if index == self.broken:
            raise UserError(f"pair {index} is broken")
        rng = np.random.default_rng([self.seed, index])
        ids, instances = rng.integers(0, 9, (6, 8)), rng.integers(0, 40_000, (6, 8))
        a, b = rng.random((6, 8, 1), np.float32), np.stack([ids, instances], -1).astype(np.uint16)
        return Pair(a, b, f"made{index}.png")

    @property
    def settings(self) -> dict:
        return {"length": self.length, "seed": self.seed}


def pairs(**options) -> ResizedPairs:
    return ResizedPairs(Made(**options), (12, 10))


def assert_equal(cached, made) -> None:
    assert len(cached) == len(made)
    for i in range(len(made)):
        for mine, expected in zip(cached[i][:2], made[i][:2], strict=True):
            np.testing.assert_array_equal(mine, expected)
            assert mine.dtype == expected.dtype
        assert cached[i].name == made[i].name


def aligned(folder: Path) -> ResizedPairs:
    return ResizedPairs(AlignedSource(str(folder), "train"), 8)


def write_pair(folder: Path, name: str, seed: int) -> None:
    write_image(folder / "train" / name, np.random.default_rng(seed).integers(0, 256, (8, 16, 3), np.uint8))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_cached_pairs_are_those_of_the_source(tmp_path, num_workers):
    assert_equal(cache_on_disk(pairs(), tmp_path, num_workers, "train"), pairs())
    assert_equal(cache_in_memory(pairs(), num_workers, "train"), pairs())


def test_pairs_are_made_once_and_found_by_later_runs(tmp_path):
    first, second = pairs(), pairs()
    cache_on_disk(first, tmp_path, 0, "train")
    again = cache_on_disk(second, tmp_path, 0, "train")
    assert (first.source.reads, second.source.reads) == (40, 0)
    assert_equal(again, first)


@pytest.mark.parametrize(
    "other",
    [lambda: pairs(seed=1), lambda: ResizedPairs(Made(), (12, 12)), lambda: ResizedPairs(Made(), (12, 10), "pillow")],
)
def test_other_settings_have_a_cache_of_their_own(tmp_path, other):
    cache_on_disk(pairs(), tmp_path, 0, "train")
    assert_equal(cache_on_disk(other(), tmp_path, 0, "train"), other())
    assert_equal(cache_on_disk(pairs(), tmp_path, 0, "train"), pairs())
    assert len(list(tmp_path.glob("*/about.json"))) == 2


def test_a_changed_file_makes_a_new_cache_in_place_of_the_old_one(tmp_path):
    for i in range(3):
        write_pair(tmp_path / "data", f"{i}.png", i)
    before = cache_on_disk(aligned(tmp_path / "data"), tmp_path / "cache", 0, "train")
    old = [before[i].a.copy() for i in range(3)]
    path = tmp_path / "data/train/1.png"
    times = path.stat()
    write_pair(tmp_path / "data", "1.png", 99)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps times would leave it
    after = cache_on_disk(aligned(tmp_path / "data"), tmp_path / "cache", 0, "train")
    assert_equal(after, aligned(tmp_path / "data"))
    assert not np.array_equal(after[1].a, old[1])
    assert len(list((tmp_path / "cache").glob("*/about.json"))) == 1
    np.testing.assert_array_equal(before[1].a, old[1])  # a run that still has the old one is not disturbed


def test_a_new_file_makes_a_new_cache(tmp_path):
    for i in range(3):
        write_pair(tmp_path / "data", f"{i}.png", i)
        assert len(cache_on_disk(aligned(tmp_path / "data"), tmp_path / "cache", 0, "train")) == i + 1


def test_splits_and_folders_do_not_replace_each_other(tmp_path):
    for folder in ("one", "two"):
        write_pair(tmp_path / folder, "x.png", 0)
        cache_on_disk(aligned(tmp_path / folder), tmp_path / "cache", 0, "train")
    assert len(list((tmp_path / "cache").glob("*/about.json"))) == 2


@pytest.mark.parametrize("name", ["about.json", "a.npy", "names.npy"])
def test_a_cache_that_lost_a_file_is_made_anew(tmp_path, name):
    cache_on_disk(pairs(), tmp_path, 0, "train")
    next(tmp_path.glob(f"*/{name}")).unlink()
    assert_equal(cache_on_disk(pairs(), tmp_path, 0, "train"), pairs())


def _build(folder: str, seconds: float) -> None:
    cache_on_disk(pairs(seconds=seconds), Path(folder), 0, "train")


@pytest.mark.slow
def test_a_killed_build_leaves_nothing_that_counts(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_build, args=(str(tmp_path), 0.05))
    process.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".pix2pix-lit.*.tmp/a.npy")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(tmp_path.glob(".pix2pix-lit.*.tmp"))
    assert not list(tmp_path.glob("*/about.json"))
    assert_equal(cache_on_disk(pairs(), tmp_path, 0, "train"), pairs())
    assert not list(tmp_path.glob(".pix2pix-lit.*.tmp"))


def test_one_process_makes_a_cache_while_others_wait(tmp_path):
    sources = [pairs(seconds=0.005) for _ in range(4)]
    threads = [threading.Thread(target=cache_on_disk, args=(own, tmp_path, 0, "train")) for own in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(own.source.reads for own in sources) == [0, 0, 0, 40]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_pair_that_cannot_be_made_is_reported_and_leaves_nothing(tmp_path, num_workers):
    with pytest.raises(UserError, match="^pair 21 is broken$"):
        cache_on_disk(pairs(broken=21), tmp_path, num_workers, "train")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert_equal(cache_on_disk(pairs(), tmp_path, 0, "train"), pairs())


def test_too_little_room_is_said_before_anything_is_made(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: usage)
    own = pairs()
    with pytest.raises(UserError, match=r"cache=disk needs 0 MiB.*0 MiB are free.*data\.cache_dir"):
        cache_on_disk(own, tmp_path, 0, "train")
    with pytest.raises(UserError, match=r"cache=ram needs.*data\.cache=disk"):
        cache_in_memory(own, 0, "train")
    assert own.source.reads == 0


class Filling(Made):
    """Somebody else fills the disk while pairs are made."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __getitem__(self, index: int) -> Pair:
        if index == 20:
            with suppress(OSError), (self.folder / "else").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        return super().__getitem__(index)


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of its own, of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _fill(folder: Path) -> None:
    with pytest.raises(UserError, match=r"disk needs 1 MiB.* are free in .*\(No space left.*data\.cache_dir"):
        cache_on_disk(ResizedPairs(Filling(folder), 48), folder, 0, "train")


def test_a_disk_that_is_full_midway_is_reported_and_nothing_is_left(small_disk):
    process = multiprocessing.get_context("fork").Process(target=_fill, args=(small_disk,))
    process.start()  # since what is stored to a map of the file would end it by SIGBUS
    process.join()
    assert process.exitcode == 0
    assert {path.suffix for path in small_disk.iterdir()} == {"", ".lock"}


def test_a_limit_of_the_process_is_told_too(tmp_path):
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, former[1]))
    try:
        with pytest.raises(UserError, match=r"disk needs 1 MiB for train.*\(File too large\)"):
            cache_on_disk(ResizedPairs(Made(), 64), tmp_path, 0, "train")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_shared_memory_that_cannot_be_had_is_told(tmp_path, monkeypatch):
    size = 4 * mmap.PAGESIZE  # of 32 x 32 pixels of float32, or of two planes of uint16
    with (tmp_path / "pages").open("w+b") as file:
        file.truncate(size)
        pages = mmap.mmap(file.fileno(), size)
        file.truncate(size // 2)  # a store to the other half would end this process by SIGBUS
    array = torch.frombuffer(pages, dtype=torch.uint8)
    monkeypatch.setattr(cache_module.torch.UntypedStorage, "_new_shared", lambda size: array.untyped_storage())
    with pytest.raises(UserError, match=r"cache=ram needs .*shared memory.*Bad address.*raise its --shm-size"):
        cache_in_memory(ResizedPairs(Made(length=4), 32), 0, "train")


def test_a_file_that_vanished_is_reported(tmp_path):
    write_pair(tmp_path / "data", "x.png", 0)
    own = aligned(tmp_path / "data")
    (tmp_path / "data/train/x.png").unlink()
    with pytest.raises(UserError, match=r"cannot be created.*x\.png"):
        cache_on_disk(own, tmp_path / "cache", 0, "train")


def test_what_else_is_in_the_folder_is_left_alone(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/about.json").write_text("{broken")
    cache_on_disk(pairs(), tmp_path, 0, "train")
    assert (tmp_path / "other/about.json").read_text() == "{broken"


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be created.*data\.cache_dir, or data\.cache=none"):
        cache_on_disk(pairs(), tmp_path / "file/cache", 0, "train")


def test_a_worker_that_is_not_forked_gets_the_place_and_not_the_pixels(tmp_path):
    many = ResizedPairs(Made(200), 32)
    on_disk = cache_on_disk(many, tmp_path, 0, "train")
    pickled = pickle.dumps(on_disk)
    assert len(pickled) < 20_000  # of 800 KiB
    assert_equal(pickle.loads(pickled), many)


def test_memory_is_shared_between_processes():
    in_memory = cache_in_memory(pairs(), 0, "train")
    assert all(isinstance(kept, torch.Tensor) and kept.is_shared() for kept in in_memory._kept)


def test_settings_are_json(tmp_path):
    cache_on_disk(pairs(), tmp_path, 0, "train")
    about = json.loads(next(tmp_path.glob("*/about.json")).read_text())
    assert about["settings"]["source"] == {"length": 40, "seed": 0}
    assert about["settings"]["size"] == [12, 10]


def test_other_choices_of_the_same_files_do_not_replace_each_other(tmp_path):
    for split in ("train", "val"):
        write_pair(tmp_path / "data", f"{split}.png", 0)  # another set of files with the same settings
        cache_on_disk(aligned(tmp_path / "data"), tmp_path / "cache", 0, split)
    assert len(list((tmp_path / "cache").glob("*/about.json"))) == 2
