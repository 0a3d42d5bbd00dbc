"""Two processes of which one never connects, or fails while the other waits for it."""

import os
import signal
from contextlib import contextmanager

import pytest

from .conftest import is_group_alive

SECONDS = 120
"""After which a command counts as hanging."""

STALL = """
import os, time
import lightning as L

class Stall(L.Callback):
    def __init__(self, folder):
        if os.environ.get("LOCAL_RANK") == "1":
            print("process", os.getpid(), "stalls", flush=True)
            time.sleep(600)
"""
BOMB = """
import lightning as L
from pix2pix_lit.errors import UserError

class Bomb(L.Callback):
    def __init__(self, rank, hook):
        setattr(self, hook, self.explode)
        self.rank = rank
    def explode(self, trainer, *arguments):
        if trainer.global_rank == self.rank and not trainer.sanity_checking:
            raise UserError("photo.png cannot be read")
"""


@pytest.fixture
def started(tmp_path, start_python):
    """A training of two processes in ``tmp_path``; at the end it and all that it has started are killed."""

    @contextmanager
    def start(*overrides):
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        command = ("-m", "pix2pix_lit.train", "trainer=cpu", "trainer.devices=2", *overrides)
        process = start_python(tmp_path, *command, env={"PYTHONPATH": path})
        try:
            yield process
        finally:
            if is_group_alive(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    return start


@pytest.mark.parametrize(
    ("number", "to", "status", "message"),
    [
        (signal.SIGINT, "all", 130, None),  # as terminals do
        (signal.SIGTERM, "first", 143, None),  # as kill does
        (signal.SIGKILL, "second", 1, "error: the process for device 1 failed: it was ended by SIGKILL"),
    ],
)
def test_waiting_for_a_process_that_never_connects_can_be_interrupted(
    tmp_path, tiny_overrides, started, number, to, status, message
):
    (tmp_path / "stall.py").write_text(STALL)
    stall = ("+callbacks.stall._target_=stall.Stall", f"+callbacks.stall.folder={tmp_path}")
    with started(*tiny_overrides, *stall) as process:
        printed = [process.stdout.readline()]
        while " stalls" not in printed[-1]:
            assert printed[-1], "".join(printed)
            printed.append(process.stdout.readline())
        if to == "all":
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid if to == "first" else int(printed[-1].split()[1]), number)
        rest, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == status
        assert not is_group_alive(process.pid)
    assert "Traceback" not in rest
    if message is not None:
        assert rest.splitlines()[-1] == message


@pytest.mark.parametrize(
    ("rank", "hook", "message"),
    [
        (0, "on_train_batch_start", "error: photo.png cannot be read"),
        (1, "on_validation_batch_start", "error: the process for device 1 failed: photo.png cannot be read"),
    ],
)
def test_an_error_in_either_process_is_reported_once(tmp_path, tiny_overrides, started, rank, hook, message):
    (tmp_path / "bomb.py").write_text(BOMB)
    bomb = ("+callbacks.bomb._target_=bomb.Bomb", f"+callbacks.bomb.rank={rank}", f"+callbacks.bomb.hook={hook}")
    quiet = ("callbacks.progress_bar=null", "+trainer.enable_progress_bar=false")
    with started(*tiny_overrides, *quiet, *bomb) as process:
        printed, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 1
        assert not is_group_alive(process.pid)
    assert printed.splitlines()[-1] == message
    assert printed.count("photo.png") == 1
    assert "gloo/" not in printed
    assert "Traceback" not in printed
