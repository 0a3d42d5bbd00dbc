"""Runs that are killed, stopped or damaged, as commands."""

import functools
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from pix2pix_lit.checkpoints.loading import read_checkpoint

KILL_TEST = Path(__file__).parents[2] / "benchmarks" / "kill_test.py"


def test_a_run_killed_at_random_moments_equals_the_uninterrupted_run(tmp_path, run_python):
    settings = ("--kills", "4", "--seed", "1", "--folder", str(tmp_path))
    printed = run_python(tmp_path, str(KILL_TEST), *settings, "data.source.train_length=20", "data.num_workers=1")
    assert "4 kills over 40 steps and 4 epochs" in printed
    assert "0 broken checkpoints, 0 differences, 0 leftover files" in printed


@pytest.fixture
def run(tmp_path, tiny_overrides, start_python):
    """Start ``train`` in a session of its own with these overrides, in the run folder of this name."""
    started = []

    def start(name, *overrides):
        quiet = ("callbacks.progress_bar=null", f"hydra.run.dir={tmp_path / name}")
        process = start_python(tmp_path, "-m", "pix2pix_lit.train", *tiny_overrides, *overrides, *quiet)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_another(path, process):
    """Wait until a process writes a file, or replaces it."""

    def written():
        return path.stat().st_mtime_ns if path.exists() else 0

    former, deadline = written(), time.monotonic() + 120
    while written() == former and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert written() != former, process.poll() is not None and process.communicate()[0]


def session_is_empty(session, seconds=15):
    """Whether all processes of a session end in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True).stdout.strip():
            return True
        time.sleep(0.02)
    return False


def overrides_for(devices):
    settings = ["trainer.accelerator=cpu", "trainer.max_epochs=6", "data.num_workers=1", "callbacks.samples=null"]
    return [f"trainer.devices={devices}", *settings]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny_overrides, run_python):
    """The last checkpoint of a run on this many devices that nothing stopped."""

    @functools.cache
    def checkpoint(devices):
        folder = tmp_path_factory.mktemp("uninterrupted")
        command = ("-m", "pix2pix_lit.train", *tiny_overrides, *overrides_for(devices), "callbacks.progress_bar=null")
        run_python(folder, *command, "hydra.run.dir=run")
        return read_checkpoint(folder / "run" / "checkpoints" / "last.ckpt")

    return checkpoint


@pytest.mark.parametrize(
    ("devices", "signals"),
    [(1, [(signal.SIGTERM, os.killpg)]), (2, [(signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)])],
)
def test_signals_stop_all_processes_with_a_checkpoint_and_the_run_resumes(
    run, uninterrupted, tmp_path, devices, signals
):
    overrides, last = overrides_for(devices), tmp_path / "stopped/checkpoints/last.ckpt"
    steps = 24 // devices
    done = 0
    for number, send in signals:
        process = run("stopped", *overrides)
        wait_for_another(last, process)
        send(process.pid, number)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number, printed
        assert "Traceback" not in printed
        assert session_is_empty(process.pid)
        assert (f"Resuming from {last}" in printed and f"step {done}" in printed) == (done > 0)
        result = json.loads((tmp_path / "stopped" / "result.json").read_text())
        assert (result["status"], done < result["steps"] < steps) == ("interrupted", True)
        done = result["steps"]
        assert f"after {done} batches; the run can be resumed from {last}" in printed

    process = run("stopped", *overrides)
    printed, _ = process.communicate(timeout=120)
    assert f"Resuming from {last}" in printed
    assert f"step {done}" in printed
    resumed, expected = read_checkpoint(last), uninterrupted(devices)
    assert resumed["global_step"] == expected["global_step"] == steps
    for name, value in expected["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name


def test_ckpt_path_last_resumes_the_newest_run_and_reports_a_complete_one(tmp_path, tiny_overrides, run_python):
    command = ["-m", "pix2pix_lit.train", *tiny_overrides, "name=again", "callbacks.samples=null"]
    run_python(tmp_path, *command, "trainer.max_epochs=1")
    run_python(tmp_path, *command, "trainer.max_epochs=2", "ckpt_path=last")
    (folder,) = (tmp_path / "outputs" / "again").iterdir()
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 8
    printed = run_python(tmp_path, *command, "trainer.max_epochs=2", "ckpt_path=last")
    assert f"The run in {folder} is complete after 2 epochs, 8 steps" in printed

    content = bytearray((folder / "checkpoints" / "last.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "checkpoints" / "last.ckpt").write_bytes(content)
    printed = run_python(tmp_path, *command, "trainer.max_epochs=3", "ckpt_path=last")
    assert "last.ckpt cannot be read" in printed
    assert f"Resuming from {folder}/checkpoints/previous.ckpt: epoch 1, step 4" in printed
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 12

    printed = run_python(tmp_path, *command[:-2], "name=other", "ckpt_path=last", succeeds=False)
    assert printed.strip().startswith("error: ckpt_path=last, but no run in outputs/other has a checkpoints/last.ckpt")
    assert not (tmp_path / "outputs" / "other").exists()
