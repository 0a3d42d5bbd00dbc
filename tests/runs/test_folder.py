"""Which folder a run has, and which checkpoint in it is resumed."""

import os
import threading
import time

import pytest
import torch

from pix2pix_lit.checkpoints.resume import training_to_resume
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs import folder as module
from pix2pix_lit.runs.folder import discard_failed_start, exclusive_run


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The function without its memory, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return module.run_folder.__wrapped__


def make_checkpoint(path, step=0, seconds=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    training = {"pytorch-lightning_version": "2.6.0", "optimizer_states": [], "loops": {}}
    torch.save(training | {"epoch": 1, "global_step": step, "state_dict": {"w": torch.ones(100)}}, path)
    if seconds:
        os.utime(path, (seconds, seconds))
    return path


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        content = content[: len(content) // 2]
    else:
        content[content.find(b"\x00\x00\x80\x3f" * 20) + 30] ^= 4  # in the weights, which are ones
    path.write_bytes(content)


def test_runs_started_in_one_second_get_folders_of_their_own(run_folder, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda _: "2030-01-01_00-00-00")
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(run_folder("x", None))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir("outputs/x")) == sorted(os.path.basename(folder) for folder in folders)
    assert len(set(folders)) == 20
    assert {"2030-01-01_00-00-00", "2030-01-01_00-00-00_2"} <= set(os.listdir("outputs/x"))


def test_a_name_may_look_like_a_number(run_folder):
    assert os.path.dirname(run_folder(float("nan"), None)) == "outputs/nan"
    assert os.path.dirname(run_folder(7, None)) == "outputs/7"


def test_last_is_the_run_that_saved_last_and_no_other_kind_of_folder(run_folder, tmp_path):
    for name, seconds in (("b", 1000), ("c", 3000), ("a", 2000)):
        make_checkpoint(tmp_path / "outputs" / "x" / name / "checkpoints" / "last.ckpt", seconds=seconds)
    make_checkpoint(tmp_path / "outputs" / "other" / "z" / "checkpoints" / "last.ckpt")
    (tmp_path / "outputs" / "x" / "d").mkdir()
    assert run_folder("x", "last") == "outputs/x/c"


def test_nothing_to_resume_is_an_error(run_folder, tmp_path):
    with pytest.raises(UserError, match="no run in outputs/x has a checkpoints/last.ckpt"):
        run_folder("x", "last")
    with pytest.raises(UserError, match="has no checkpoints/last.ckpt; expected one"):
        training_to_resume(tmp_path, "last")
    assert training_to_resume(tmp_path, None) is None


def test_a_file_to_resume_from_gets_a_new_folder(run_folder, tmp_path):
    folder = run_folder("x", "some/file.ckpt")
    assert os.listdir(tmp_path / folder) == []


def test_a_place_that_cannot_have_folders_is_named(run_folder, tmp_path):
    (tmp_path / "outputs").touch()
    with pytest.raises(UserError, match="outputs.* cannot be created .*hydra.run.dir=FOLDER"):
        run_folder("x", None)


def test_slurm_tasks_share_the_folder_of_their_job_also_when_queued_again(run_folder, monkeypatch):
    for name, value in {"NTASKS": "4", "JOB_ID": "17", "STEP_ID": "2"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    folders = []
    for task in "0123":
        monkeypatch.setenv("SLURM_PROCID", task)
        folders.append(run_folder("x", None))
    assert set(folders) == {"outputs/x/job_17_2"}


def test_other_ranks_make_no_folder_below_outputs(run_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "1")
    folder = run_folder("x", None)
    assert not (tmp_path / "outputs").exists()
    assert os.path.isdir(folder)


def test_a_run_is_resumed_in_its_folder_whatever_it_started_from(tmp_path, caplog):
    caplog.set_level("INFO")
    own = make_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt", step=12)
    best = make_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")
    other = make_checkpoint(tmp_path / "other.ckpt")
    assert training_to_resume(tmp_path / "run", None).path == own
    assert training_to_resume(tmp_path / "run", "last").path == own
    assert training_to_resume(tmp_path / "run", str(other)).path == own
    assert training_to_resume(tmp_path / "run", str(best)).path == best  # asked for by name
    assert training_to_resume(tmp_path / "new", str(other)).path == other
    assert training_to_resume(tmp_path / "new", str(own.parents[1])).path == own  # the folder of a run
    assert f"Resuming from {own}: epoch 1, step 12" in caplog.messages


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_a_broken_last_checkpoint_is_reported_and_the_one_before_it_taken(tmp_path, caplog, kind):
    last = make_checkpoint(tmp_path / "checkpoints" / "last.ckpt", step=2)
    previous = make_checkpoint(tmp_path / "checkpoints" / "previous.ckpt", step=1)
    damage(last, kind)
    assert training_to_resume(tmp_path, None).path == previous
    assert any("last.ckpt" in line and "Resuming from the checkpoint before it" in line for line in caplog.messages)
    damage(previous, kind)
    with pytest.raises(UserError, match="previous.ckpt (cannot be read|is refused)"):
        training_to_resume(tmp_path, None)


def test_a_missing_last_checkpoint_is_replaced_by_the_one_before_it(tmp_path):
    previous = make_checkpoint(tmp_path / "checkpoints" / "previous.ckpt")
    assert training_to_resume(tmp_path, None).path == previous


def test_a_folder_holds_one_run_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("pix2pix_lit.runs.folder.LOCK_SECONDS", 0.2)
    with exclusive_run(tmp_path / "run"):
        with pytest.raises(UserError, match="another process is training in .*run"), exclusive_run(tmp_path / "run"):
            pass
        with exclusive_run(tmp_path / "other"):
            pass
    with exclusive_run(tmp_path / "run"):
        pass


def test_other_processes_of_a_run_share_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("pix2pix_lit.runs.folder.LOCK_SECONDS", 0.2)
    with exclusive_run(tmp_path):
        with pytest.raises(UserError, match="another process is training"), exclusive_run(tmp_path):
            pass
        monkeypatch.setenv("LOCAL_RANK", "1")
        with exclusive_run(tmp_path):
            assert (tmp_path / ".lock").exists()


def test_a_start_that_failed_leaves_nothing_below_outputs_and_files_of_others_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in ("first/a", "second/b", "second/c"):
        (tmp_path / "outputs" / run / "config").mkdir(parents=True)
        (tmp_path / "outputs" / run / "config" / "config.yaml").touch()
    (tmp_path / "outputs/second/c/notes.txt").touch()
    assert discard_failed_start(tmp_path / "outputs/first/a", keep_row=False)
    assert discard_failed_start(tmp_path / "outputs/second/b", keep_row=False)
    assert not discard_failed_start(tmp_path / "outputs/second/c", keep_row=False)
    assert sorted(path.name for path in (tmp_path / "outputs").rglob("*")) == ["c", "notes.txt", "second"]
