"""How checkpoint files are written and read."""

import errno
import os
import pickle
import shutil

import pytest
import torch

from pix2pix_lit.checkpoints import saving as checkpoint_io
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO, check_room
from pix2pix_lit.errors import UserError


def test_a_failed_write_leaves_the_old_checkpoint_and_no_temporary_file(tmp_path):
    path = tmp_path / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"step": 1}, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        io.save_checkpoint({"step": 2, "bad": lambda: None}, path)
    assert read_checkpoint(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_resuming_from_weights_alone_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "weights.ckpt")
    with pytest.raises(UserError, match=r"no training to resume \(it lacks loops, optimizer_states, "):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "weights.ckpt")


def test_temporary_files_of_a_killed_write_are_removed_by_the_next(tmp_path, left_by_a_killed_process):
    left_by_a_killed_process(tmp_path)
    AtomicCheckpointIO().save_checkpoint({"step": 1}, tmp_path / "last.ckpt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_killed_between_its_two_files_resumes_with_both(tmp_path):
    training = {"pytorch-lightning_version": "2", "state_dict": {}, "optimizer_states": [], "loops": {}}
    torch.save(training | {"global_step": 5}, tmp_path / "last.ckpt")
    os.link(tmp_path / "last.ckpt", tmp_path / "previous.ckpt")
    io = AtomicCheckpointIO()
    io.load_checkpoint(tmp_path / "last.ckpt")
    for step in (6, 7):
        io.save_checkpoint({"global_step": step}, tmp_path / "last.ckpt")
        assert files(tmp_path) == ["last.ckpt", "previous.ckpt"]
        steps = [read_checkpoint(tmp_path / name)["global_step"] for name in files(tmp_path)]
        assert steps == [step, step - 1]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_checkpoint_before_the_last_is_kept(tmp_path):
    io = AtomicCheckpointIO()
    for step in range(4):
        io.save_checkpoint({"global_step": step}, tmp_path / "last.ckpt")
        io.save_checkpoint({"global_step": step}, tmp_path / "best.ckpt")
        assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == step
        assert step == 0 or read_checkpoint(tmp_path / "previous.ckpt")["global_step"] == step - 1
    assert files(tmp_path) == ["best.ckpt", "last.ckpt", "previous.ckpt"]


def test_it_is_kept_on_a_file_system_without_hard_links_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(checkpoint_io.os, "link", refuse)
    io = AtomicCheckpointIO()
    for step in range(2):
        io.save_checkpoint({"global_step": step}, tmp_path / "last.ckpt")
    assert [read_checkpoint(tmp_path / f"{name}.ckpt")["global_step"] for name in ("previous", "last")] == [0, 1]


def test_a_last_checkpoint_that_was_not_resumed_does_not_replace_the_one_before_it(tmp_path):
    training = {"pytorch-lightning_version": "2", "state_dict": {}, "optimizer_states": [], "loops": {}}
    torch.save(training | {"global_step": 5}, tmp_path / "previous.ckpt")
    (tmp_path / "last.ckpt").write_bytes(b"broken")
    io = AtomicCheckpointIO()
    io.load_checkpoint(tmp_path / "previous.ckpt")
    io.save_checkpoint({"global_step": 6}, tmp_path / "last.ckpt")
    assert read_checkpoint(tmp_path / "previous.ckpt")["global_step"] == 5
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 6


WITH_A_LIMIT = """
import resource, sys
import torch
from pathlib import Path
from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO
folder = Path(sys.argv[1])
io = AtomicCheckpointIO()
io.save_checkpoint({"global_step": 7, "state_dict": {"w": torch.zeros(1000)}}, folder / "last.ckpt")
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    io.save_checkpoint({"global_step": 8, "state_dict": {"w": torch.zeros(2**20)}}, folder / "last.ckpt")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_full_disk_is_reported_and_leaves_the_earlier_checkpoint(tmp_path, run_python):
    printed = run_python(tmp_path.parent, "-c", WITH_A_LIMIT, str(tmp_path))
    assert printed.startswith(f"UserError {tmp_path}/last.ckpt could not be written: the disk is full, or the limit")
    assert "expected space for 4 MiB" in printed
    assert f"{tmp_path}/last.ckpt from step 7 is intact" in printed
    assert "ckpt_path=last" in printed
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 7
    assert files(tmp_path) == ["last.ckpt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_used_up_quota_are_recognised_when_flushed(tmp_path, monkeypatch, number):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint_io.os, "fsync", refuse)
    with pytest.raises(UserError, match="the disk is full, .*Nothing was saved yet: free some space"):
        AtomicCheckpointIO().save_checkpoint({"global_step": 1}, tmp_path / "last.ckpt")
    assert files(tmp_path) == []


MODEL = torch.nn.Sequential(torch.nn.Linear(256, 1024, bias=False), torch.nn.Linear(1024, 256, bias=False))
MODEL[1].requires_grad_(False)
SIZE = 1 + 3  # MiB: what is frozen, and what is learnt with two averages


def room(monkeypatch, mib):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(checkpoint_io.shutil, "disk_usage", lambda _: usage._replace(free=int(mib * 2**20)))


def test_room_for_four_checkpoints_is_required_and_for_one_when_three_exist(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    room(monkeypatch, 4 * SIZE)
    check_room(folder, MODEL)
    room(monkeypatch, 4 * SIZE - 0.5)
    with pytest.raises(UserError, match="has 16 MiB of free space; expected 16 MiB for checkpoints of 4 MiB each"):
        check_room(folder, MODEL)
    for name in ("last", "previous", "best"):
        (folder / f"{name}.ckpt").touch()
    room(monkeypatch, SIZE)
    check_room(folder, MODEL)
    assert files(folder) == ["best.ckpt", "last.ckpt", "previous.ckpt"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "checkpoints", "/proc/checkpoints"):
        with pytest.raises(UserError, match="checkpoints cannot be written to .*hydra.run.dir=FOLDER"):
            check_room(checkpoint_io.Path(folder), MODEL)


def test_only_checkpoints_of_the_run_are_removed(tmp_path, caplog):
    folder = tmp_path / "run" / "checkpoints"
    io = AtomicCheckpointIO(folder)
    for name in ("last", "previous", "top-1"):
        io.save_checkpoint({"global_step": 1}, folder / f"{name}.ckpt")
    (tmp_path / "notes.ckpt").write_text("the user's")
    (folder / "notes").mkdir()
    (folder / "notes.txt").touch()
    (folder / "link.ckpt").symlink_to(tmp_path / "notes.ckpt")
    others = AtomicCheckpointIO(folder)  # of a process that resumes the run
    kept = ["notes", "notes.txt", "link.ckpt", "last.ckpt", "previous.ckpt", "../../notes.ckpt", "../../run", "."]
    for name in kept:
        others.remove_checkpoint(folder / name)
        assert os.path.lexists(folder / name)
    assert len([line for line in caplog.messages if "is not removed, since this run did not write it" in line]) == len(
        kept
    )
    others.remove_checkpoint(folder / "top-1.ckpt")
    others.remove_checkpoint(folder / "missing.ckpt")
    assert not (folder / "top-1.ckpt").exists()
    others.save_checkpoint({"global_step": 1}, tmp_path / "elsewhere" / "a.ckpt")
    others.remove_checkpoint(tmp_path / "elsewhere" / "a.ckpt")  # written by this process
    assert files(tmp_path / "elsewhere") == []
