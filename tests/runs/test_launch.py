"""Runs of several processes, whoever starts them."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

BOMB = """
import os, time, lightning as L
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from pix2pix_lit.errors import UserError

_ChildProcessObserver.__init__.__defaults__ = (0.1,)  # seconds, after which Lightning would kill the first rank

class Bomb(L.Callback):
    def __init__(self, kinds):
        self.kinds = kinds
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        kind = self.kinds.get(int(module.hparams.reconstruction["weight"]))
        if batch_idx != 1 or kind is None:
            return
        if trainer.global_rank == 0:
            time.sleep(1 if kind == "crash" else 0)
        elif kind == "crash":
            os._exit(9)
        else:
            raise {"user": UserError, "defect": RuntimeError}[kind](f"this was the bomb of the {kind}")
"""
NOTE_PAIRS = """
import json, lightning as L
class NotePairs(L.Callback):
    def __init__(self, folder):
        self.folder = folder
    def on_fit_start(self, trainer, module):
        self.names = []
    def on_validation_batch_start(self, trainer, module, batch, batch_idx, dataloader_idx=0):
        self.names += batch["name"]
    def on_train_end(self, trainer, module):
        weights = sum(float(parameter.double().abs().sum()) for parameter in module.parameters())
        with open(f"{self.folder}/rank_{trainer.global_rank}.json", "w") as file:
            json.dump({"names": self.names, "weights": weights}, file)
"""
QUIET = ("trainer=cpu", "callbacks.progress_bar=null", "+trainer.enable_progress_bar=false")


@pytest.mark.slow
def test_a_failing_process_fails_only_its_own_job(run_python, tiny_overrides, tmp_path):
    (tmp_path / "bomb.py").write_text(BOMB)
    bomb = ("+callbacks.bomb._target_=bomb.Bomb", "+callbacks.bomb.kinds={10:user,20:defect,30:crash}")
    sweep = ("hydra.mode=MULTIRUN", "trainer.max_epochs=1", "trainer.devices=2")
    weights = "model.reconstruction.weight=10,20,30,100"
    command = ("-m", "pix2pix_lit.train", *tiny_overrides, *QUIET, *sweep, *bomb, weights)
    printed = run_python(tmp_path, *command, succeeds=False)
    (folder,) = (tmp_path / "outputs" / "train").iterdir()
    results = [json.loads((folder / str(job) / "result.json").read_text()) for job in range(4)]
    assert [result["status"] for result in results] == ["failed", "failed", "failed", "finished"]
    expected = [
        "this was the bomb of the user",
        "RuntimeError: this was the bomb of the defect",
        "it ended with exit status 9",
    ]
    for result, message in zip(results, expected, strict=False):
        assert result["message"].startswith(f"the process for device 1 failed: {message}")
        assert printed.count(f"error: the process for device 1 failed: {message}") == 1
    traces = printed.split("Traceback")[1:]
    assert len(traces) == 1
    assert "RuntimeError: this was the bomb of the defect" in traces[0]
    assert not list(folder.rglob(".rank_*"))


@pytest.fixture
def note_pairs(tmp_path):
    """Overrides for a callback that writes to ``tmp_path`` which pairs each rank saw and its final weights."""
    (tmp_path / "note_pairs.py").write_text(NOTE_PAIRS)
    return ("+callbacks.note._target_=note_pairs.NotePairs", f"+callbacks.note.folder='{tmp_path}'")


def check_run_of_two(tmp_path):
    """Check for one folder, equal weights in both processes, and each validation pair once."""
    (run,) = (tmp_path / "outputs" / "train").iterdir()
    assert [path.name for path in run.glob("*.log")] == ["train.log"]
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    assert (run / "config" / "config.yaml").exists()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {"outputs", "__pycache__"}
    assert torch.load(run / "checkpoints" / "last.ckpt")["global_step"] == 2  # 8 pairs, 2 processes with 2 each
    first, second = (json.loads((tmp_path / f"rank_{rank}.json").read_text()) for rank in range(2))
    assert first["weights"] == second["weights"]
    validated = first["names"][-2:] + second["names"][-1:]  # after the sanity check
    assert len({*validated}) == 3


COMMON = (*QUIET, "trainer.max_epochs=1", "data.source.val_length=3", "data.val_batch_size=1")


@pytest.mark.slow
def test_torchrun_makes_one_run(run_python, tiny_overrides, note_pairs, tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "pix2pix_lit.train")
    run_python(tmp_path, *torchrun, *tiny_overrides, *COMMON, *note_pairs, "trainer.devices=2")
    check_run_of_two(tmp_path)


@pytest.mark.slow
def test_two_machines_make_one_run(run_python, tiny_overrides, note_pairs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = (
        "import os, sys; os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=sys.argv.pop(1), "
        "NODE_RANK=sys.argv.pop(1)); from pix2pix_lit.train import main; main()"
    )

    def node(rank):
        overrides = (*tiny_overrides, *COMMON, *note_pairs, "trainer.num_nodes=2")
        return run_python(tmp_path, "-c", start, str(port), str(rank), *overrides)

    with ThreadPoolExecutor() as pool:
        printed = list(pool.map(node, range(2)))
    check_run_of_two(tmp_path)
    assert "Everything about this run is in" in printed[0]
    assert not re.search(r"^\d\d:\d\d:\d\d ", printed[1], re.MULTILINE)  # a line of the log


@pytest.mark.slow
def test_torchrun_does_not_start_sweeps(run_python, tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "pix2pix_lit.train")
    printed = run_python(tmp_path, *torchrun, "--multirun", "seed=1,2", succeeds=False)
    assert "error: 2 processes were started for a sweep" in printed
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("sweep", ["--multirun", "sweep=[optuna]", "hydra.mode=MULTIRUN"])
def test_one_of_several_processes_refuses_a_sweep_however_it_is_typed(run_python, tmp_path, monkeypatch, sweep):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():  # as torchrun does
        monkeypatch.setenv(name, value)
    printed = run_python(tmp_path, "-m", "pix2pix_lit.train", sweep, "seed=1,2", succeeds=False)
    assert "error: 2 processes were started for a sweep" in printed
    assert not (tmp_path / "outputs").exists()
