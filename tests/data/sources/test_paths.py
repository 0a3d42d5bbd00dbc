"""Lists of paths that cost forked workers nothing."""

import gc
import os
import pickle
import re
from pathlib import Path

import pytest

from pix2pix_lit.data.sources.paths import Paths

NAMES = ["/data/a.png", "b", "ü/ö.png", os.fsdecode(b"/not/utf-8/\xff.png"), "with\nnewline"]


def test_paths_come_back_as_they_went_in():
    paths = Paths(NAMES)
    assert list(paths) == [Path(name) for name in NAMES]
    assert len(paths) == len(NAMES)
    assert paths[1:4:2] == [Path(NAMES[1]), Path(NAMES[3])]
    assert list(pickle.loads(pickle.dumps(paths))) == list(paths)


def test_no_paths_are_an_empty_list():
    assert not Paths([])
    assert list(Paths(())) == []


@pytest.mark.parametrize("index", [-1, 5])
def test_indices_beyond_the_list_are_refused(index):
    with pytest.raises(IndexError, match=f"path {index} of 5"):
        Paths(NAMES)[index]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's figures of memory")
def test_a_forked_worker_that_reads_all_paths_again_and_again_copies_little_memory():
    names = [f"/data/streets/train/{index:012d}.png" for index in range(150_000)]
    of_paths = mib_copied_by_reading(Paths(names))
    of_list = mib_copied_by_reading([Path(name) for name in names])
    assert of_list > 40
    assert of_paths < of_list / 2  # what is left is Python's table of strings, which making a Path writes to


def mib_copied_by_reading(paths):
    """Growth of the memory that a forked child has for itself, while it reads all paths twice."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            gc.disable()  # it writes to all objects of all modules, which is not what is measured
            before = private_mib()
            for _ in range(2):
                for index in range(len(paths)):
                    os.fspath(paths[index])
            os.write(sender, str(private_mib() - before).encode())
        finally:
            os._exit(0)
    os.close(sender)
    os.waitpid(child, 0)
    with os.fdopen(receiver) as stream:
        return float(stream.read())


def private_mib():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty: +(\d+) kB", rollup)[1]) / 1024
