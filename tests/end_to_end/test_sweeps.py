"""Sweeps as a user types them: grids, studies shared by processes, launchers."""

import csv
import os
import re
import signal
import sys
import threading
import time
from multiprocessing.connection import Listener

import optuna
import pytest
import torch
from optuna.trial import TrialState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pix2pix_lit.sweep.study import open_storage

QUIET = ("trainer=cpu", "callbacks.progress_bar=null")
NOTE_VALUES = """
import json, lightning as L
class NoteValues(L.Callback):
    def __init__(self, folder):
        self.folder = folder
    def on_train_end(self, trainer, module):
        with open(f"{self.folder}/values_of_rank_{trainer.global_rank}.json", "w") as file:
            json.dump(module.hparams.reconstruction["weight"], file)
"""


@pytest.fixture
def train(run_python, tiny_overrides, tmp_path):
    """Train in ``tmp_path`` with tiny networks; returns everything that was printed."""

    def run(*overrides, succeeds=True):
        return run_python(tmp_path, "-m", "pix2pix_lit.train", *tiny_overrides, *QUIET, *overrides, succeeds=succeeds)

    return run


def table(folder):
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def trials(folder, name):
    return optuna.load_study(study_name=name, storage=open_storage(f"sqlite:///{folder}/study.db")).trials


def test_a_grid_with_a_failing_job_leaves_a_table_and_is_resumed(train, tmp_path):
    grid = ["sweep=grid", "name=grid", "trainer.max_epochs=1", "model/adversarial=vanilla"]
    grid += ["model.reconstruction.weight=10,100", "data.source.val_length=2,-1"]
    printed = train(*grid, succeeds=False)
    assert "Traceback" not in printed
    (sweep,) = (tmp_path / "outputs" / "grid").iterdir()
    rows = {row["run"]: row for row in table(sweep)}
    assert {run: row["status"] for run, row in rows.items()} == {
        "0": "finished",
        "1": "failed",
        "2": "finished",
        "3": "failed",
    }
    assert rows["2"]["model.reconstruction.weight"] == "100"
    assert float(rows["2"]["val/ssim"]) > 0
    assert "length" in rows["1"]["message"]
    assert printed.count(rows["1"]["message"]) == 2  # once for each of the two jobs
    assert "error: job 1 failed; its message is above" in printed
    assert re.search(r"Best run: [02] of 4, val/ssim \S+, model.reconstruction.weight=10", printed)
    assert printed.splitlines()[-1].endswith(f"The table of all runs is in {sweep}/results.md")
    for run in ("0", "2"):  # what TensorBoard's HParams tab reads
        events = EventAccumulator(str(sweep / run))
        events.Reload()
        started = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert b"model.reconstruction.weight" in started
        assert events.Scalars("val/l1")

    before = (sweep / "0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    printed = train(*grid, f"hydra.sweep.dir='{sweep}'", succeeds=False)
    assert len(re.findall("is complete after 1 epochs", printed)) == 2
    assert (sweep / "0" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
    assert [row["status"] for row in table(sweep)] == ["finished", "finished", "failed", "failed"]

    printed = train(*grid, "seed=5", f"hydra.sweep.dir='{sweep}'", succeeds=False)
    assert "error: the sweep in " in printed
    assert "differs in seed=5 (not given before)" in printed
    assert "Traceback" not in printed


def test_ctrl_c_ends_a_sweep_with_its_table_written(start, tmp_path):
    process = start("sweep=grid")
    wait_for(lambda: list(tmp_path.glob("outputs/train/*/0/samples/*.png")), process)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    (sweep,) = (tmp_path / "outputs" / "train").iterdir()
    assert [(row["run"], row["status"]) for row in table(sweep)] == [("0", "interrupted")]
    assert (sweep / "0" / "checkpoints" / "last.ckpt").exists()


def test_a_study_of_two_processes_survives_the_death_of_one(start, tmp_path):
    command = ["sweep=optuna", "name=shared", "trainer.max_epochs=8", "callbacks.samples=null"]
    command += ["hydra.sweeper.n_trials=4"]
    study = tmp_path / "outputs" / "shared" / "study"
    first, second = start(*command, log="first"), start(*command, log="second")

    def checkpoints_of_first():
        numbers = re.findall(r"#(\d+) :", (tmp_path / "first").read_text())
        return [n for n in numbers[-1:] if (study / n / "checkpoints" / "last.ckpt").exists()]

    (left,) = wait_for(checkpoints_of_first, first)
    first.kill()
    assert not (study / left / "result.json").exists()
    third = start(*command, log="third")
    assert second.wait(timeout=170) == third.wait(timeout=170) == 0

    assert [trial.state for trial in trials(study, "shared")] == [TrialState.COMPLETE] * 4
    assert sorted(path.name for path in study.iterdir() if path.name.isdecimal()) == [str(n) for n in range(4)]
    assert "Resuming from" in (study / left / "train.log").read_text()
    rows = table(study)
    assert [row["status"] for row in rows] == ["finished"] * 4
    values = [float(row["val/ssim"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert {row["steps"] for row in rows} == {"32"}
    jobs = [re.findall(r"#(\d+) :", (tmp_path / log).read_text()) for log in ("first", "second", "third")]
    assert sorted(number for numbers in jobs for number in numbers) == sorted([*map(str, range(4)), left])
    assert all(jobs)


@pytest.fixture
def start(start_python, tiny_overrides, tmp_path):
    """Start a training in ``tmp_path`` with tiny networks, which prints into a file; returns the process."""

    def start_training(*overrides, log="log"):
        with open(tmp_path / log, "w") as file:
            return start_python(tmp_path, "-m", "pix2pix_lit.train", *QUIET, *tiny_overrides, *overrides, stdout=file)

    return start_training


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        assert process.poll() is None, "the process ended too early"
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


def test_all_processes_of_a_pruned_trial_train_with_the_same_values(train, tmp_path):
    (tmp_path / "note_values.py").write_text(NOTE_VALUES)
    printed = train(
        "sweep=[optuna,pruning]",
        "name=ranks",
        "hydra.sweeper.n_trials=2",
        "callbacks.pruning.startup_trials=1",
        "trainer.devices=2",
        "trainer.max_epochs=2",
        "+callbacks.note._target_=note_values.NoteValues",
        "+callbacks.note.folder=${output_dir}",
    )
    study = tmp_path / "outputs" / "ranks" / "study"
    finished = trials(study, "ranks")
    assert "Traceback" not in printed
    assert "alembic" not in printed
    assert {trial.state for trial in finished} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in finished:
        weight = trial.params["model.reconstruction.weight"]
        for rank in range(2):
            noted = float((study / str(trial.number) / f"values_of_rank_{rank}.json").read_text())
            assert noted == pytest.approx(weight, rel=1e-12)
        assert torch.load(study / str(trial.number) / "checkpoints/last.ckpt")["hyper_parameters"]["reconstruction"][
            "weight"
        ] == pytest.approx(weight, rel=1e-12)


def test_submitit_runs_the_jobs_of_a_sweep(train, tmp_path):
    train(
        "hydra.mode=MULTIRUN",
        "hydra/launcher=submitit_local",
        "name=submitted",
        "trainer.max_epochs=1",
        "trainer.devices=2",
        "model.reconstruction.weight=10,20",
    )
    (sweep,) = (tmp_path / "outputs" / "submitted").iterdir()
    assert [(row["status"], row["steps"]) for row in table(sweep)] == [("finished", "2")] * 2
    assert {row["model.reconstruction.weight"] for row in table(sweep)} == {"10", "20"}


def test_joblib_runs_trials_at_once(train, tmp_path):
    train("sweep=[optuna,joblib]", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=2", "trainer.max_epochs=1")
    study = tmp_path / "outputs" / "train" / "study"
    assert [trial.state for trial in trials(study, "train")] == [TrialState.COMPLETE] * 2
    assert [row["status"] for row in table(study)] == ["finished"] * 2


SBATCH = """#!{python}
# Runs the tasks of a job array one after the other on this machine, as a cluster would.
import os, re, subprocess, sys
script = open(sys.argv[1]).read()
open("{folder}/script.sh", "w").write(script)
last = int(re.search(r"--array=0-(\\d+)", script)[1])
tasks = re.search(r"--ntasks-per-node=(\\d+)", script)[1]
job = dict(SLURM_NTASKS=tasks, SLURM_NTASKS_PER_NODE=tasks, SLURM_NNODES="1", SLURM_JOB_NAME="train",
           SLURM_NODELIST="127.0.0.1", SLURM_ARRAY_JOB_ID="77", SLURM_NODEID="0")
print("Submitted batch job 77", flush=True)
if os.fork() == 0:
    os.closerange(0, 3)
    for index in range(last + 1):
        array = dict(SLURM_ARRAY_TASK_ID=str(index), SLURM_JOB_ID=str(int("{port}") - 15000 + index))
        subprocess.run(["bash", "{folder}/script.sh"], env=os.environ | job | array)
"""
SRUN = """#!{python} -IS
# Has the test start the processes of a job.
import os, sys
from multiprocessing.connection import Client
with Client("{folder}/srun") as test:
    test.send((sys.argv[sys.argv.index("--error") + 2:], dict(os.environ)))
    sys.exit(test.recv())
"""


@pytest.fixture
def srun(start_python, tmp_path):
    """Start the processes of jobs for which ``SRUN`` asks."""

    def serve(listener, jobs):
        for _ in range(jobs):
            with listener.accept() as job:
                command, environment = job.recv()
                with open(tmp_path / "job.log", "a") as log:
                    ranks = [
                        start_python(tmp_path, *command[command.index("-m") :], env=environment | number, stdout=log)
                        for rank in range(int(environment["SLURM_NTASKS"]))
                        for number in [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}]
                    ]
                job.send(max(rank.wait() for rank in ranks))

    with Listener(str(tmp_path / "srun")) as listener:
        thread = threading.Thread(target=serve, args=(listener, 2), daemon=True)
        thread.start()
        yield
        thread.join(60)


def test_slurm_starts_the_processes_of_every_job(train, srun, tmp_path, monkeypatch):
    commands = {"sbatch": SBATCH, "srun": SRUN, "sacct": "#!/bin/sh\n", "scancel": "#!/bin/sh\n"}
    (tmp_path / "bin").mkdir()
    port = 15000 + os.getpid() % 9000  # what Lightning makes of the last four digits of a job's number
    for name, text in commands.items():
        path = tmp_path / "bin" / name
        path.write_text(text.replace("{python}", sys.executable).replace("{folder}", str(tmp_path)))
        path.write_text(path.read_text().replace("{port}", str(port)))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    train(
        "sweep=[grid,slurm]",
        "model/adversarial=vanilla",
        "trainer.max_epochs=1",
        "trainer.devices=2",
        "hydra.launcher.partition=big",
    )

    (sweep,) = (tmp_path / "outputs" / "train").iterdir()
    assert [(row["status"], row["steps"]) for row in table(sweep)] == [("finished", "2")] * 2
    assert {row["model.reconstruction.weight"] for row in table(sweep)} == {"10", "100"}
    for job in ("0", "1"):
        assert len(list((sweep / job).glob("events.out.tfevents.*"))) == 1
        log = (sweep / job / "train.log").read_text()
        assert log.count("Everything about this run is in") == 1
    script = (tmp_path / "script.sh").read_text()
    directives = ("nodes=1", "ntasks-per-node=2", "gpus-per-node=2", "cpus-per-task=8", "time=1440", "partition=big")
    for directive in (*directives, "signal=USR2@120"):
        assert f"#SBATCH --{directive}\n" in script
