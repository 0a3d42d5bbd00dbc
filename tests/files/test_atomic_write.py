"""Temporary files: short names, complete files, and nothing left of processes that were killed."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pix2pix_lit.files import atomic_write as module
from pix2pix_lit.files.atomic_write import atomic_write, remove_leftovers, temporary_folder, temporary_path
from pix2pix_lit.images.files import read_image, write_image

LONGEST = 255  # bytes of a name that file systems take


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def name_of(pid: int, start: int, machine: str | None = None) -> str:
    return f".pix2pix-lit.{machine or module._machine()}.{pid}.{start}.0123abcd.tmp"


def test_a_file_is_complete_or_absent(tmp_path):
    with atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("new")
        assert names_in(tmp_path) == [temporary.name]
    with contextlib.suppress(ZeroDivisionError), atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert names_in(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "new"


def test_the_longest_names_can_be_written(tmp_path):
    for name in ("x" * LONGEST, "ü" * (LONGEST // 2)):
        with atomic_write(tmp_path / name) as temporary:
            temporary.write_text("new")
        assert (tmp_path / name).read_text() == "new"
    image = np.zeros((4, 4, 3), np.uint8)
    for suffix in (".png", ".jpg", ".tif"):
        path = tmp_path / ("y" * (LONGEST - len(suffix)) + suffix)
        write_image(path, image)
        np.testing.assert_array_equal(read_image(path), image)


def test_two_names_of_one_file_leave_nothing(tmp_path):
    (tmp_path / "x").write_text("same")
    with atomic_write(tmp_path / "x") as temporary:
        os.link(tmp_path / "x", temporary)  # which os.replace then leaves alone
    assert names_in(tmp_path) == ["x"]


def test_a_temporary_folder_is_removed_unless_it_is_renamed(tmp_path):
    with temporary_folder(tmp_path) as kept:
        (kept / "file").write_text("")
        kept.rename(tmp_path / "kept")
    with contextlib.suppress(ZeroDivisionError), temporary_folder(tmp_path) as lost:
        (lost / "file").write_text("")
        raise ZeroDivisionError
    assert names_in(tmp_path) == ["kept"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_next_write_in_a_folder_removes_the_leftovers_of_a_killed_process(
    tmp_path, left_by_a_killed_process, is_folder
):
    left = left_by_a_killed_process(tmp_path, is_folder=is_folder)
    assert names_in(tmp_path) == [left.name]
    with atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("new")
    assert names_in(tmp_path) == ["x"]


def test_files_of_a_running_process_stay(tmp_path):
    code = """
import sys
from pathlib import Path
from pix2pix_lit.files.atomic_write import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("complete")
    print("written", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path / "theirs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"written\n"
        with atomic_write(tmp_path / "mine") as temporary:
            temporary.write_text("")
            remove_leftovers(tmp_path)
        assert len(names_in(tmp_path)) == 2
        other.communicate(timeout=60)
    assert (tmp_path / "theirs").read_text() == "complete"
    assert names_in(tmp_path) == ["mine", "theirs"]


def test_a_reused_process_id_owns_nothing(tmp_path):
    start = module._start_of(os.getpid())
    if start is None:
        pytest.skip("this system does not say when processes started")
    (tmp_path / name_of(os.getpid(), start - 1)).touch()
    (tmp_path / name_of(os.getpid(), start)).touch()
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == [name_of(os.getpid(), start)]


def test_a_zombie_process_owns_nothing(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout.read() == b""
    path = tmp_path / name_of(process.pid, 1)
    path.touch()
    deadline = time.monotonic() + 30
    while path.exists() and time.monotonic() < deadline:
        remove_leftovers(tmp_path)
    assert not path.exists()
    process.wait()


def test_old_files_of_other_machines_are_removed(tmp_path, ended):
    old, new = name_of(ended, 1, "00000000"), name_of(ended, 2, "00000000")
    for name in (old, new):
        (tmp_path / name).touch()
    os.utime(tmp_path / old, (0, 0))
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == [new]


def test_files_that_are_not_ours_stay(tmp_path, ended):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / name_of(ended, 1)).symlink_to(tmp_path / "folder")
    others = ["x.tmp", ".pix2pix-lit.tmp", name_of(ended, 1).removeprefix("."), name_of(ended, 1) + ".png"]
    for name in others:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == sorted([*others, "folder"])
    assert names_in(tmp_path / "folder") == ["file"]


def test_a_missing_folder_has_no_leftovers(tmp_path):
    remove_leftovers(tmp_path / "missing")
    assert temporary_path(tmp_path / "missing").parent == tmp_path / "missing"
