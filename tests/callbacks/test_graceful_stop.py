"""Runs that signals stop anywhere are resumed as if nothing had stopped them."""

import os
import signal

import lightning as L
import pytest
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment

from pix2pix_lit.callbacks import BestCheckpoint, GracefulStop, LastCheckpoint
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO
from pix2pix_lit.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = {
    "validated after every epoch": {},
    "validated within epochs": {"val_check_interval": 2},
    "validated over epochs": {"val_check_interval": 3, "check_val_every_n_epoch": None},
    "validated every second epoch": {"check_val_every_n_epoch": 2},
    "never validated": {"limit_val_batches": 0},
    "ended by steps": {"max_steps": 10},
    "ended by steps, never validated": {"max_steps": 10, "limit_val_batches": 0},
    "of short epochs": {"limit_train_batches": 3},
}


class SendAt(L.Callback):
    """Sends this process a signal in the middle of the n-th training or validation step."""

    def __init__(self, phase: str, n: int, *numbers: int) -> None:
        self.phase, self.n, self.numbers, self.count = phase, n, numbers, 0

    def _send(self, phase: str) -> None:
        self.count += phase == self.phase
        if phase == self.phase and self.count == self.n:
            for number in self.numbers:
                os.kill(os.getpid(), number)

    def on_train_batch_start(self, *_):
        self._send("train")

    def on_validation_batch_start(self, trainer, *_):
        if not trainer.sanity_checking:
            self._send("validate")


def callbacks(folder, *others, every_n_steps=0):
    last = str(folder / "last.ckpt")
    best = BestCheckpoint(str(folder), "val/l1")
    return [best, LastCheckpoint(last, every_n_steps), *others, GracefulStop(last)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_in_any_step_and_resumed_equals_the_uninterrupted_one(fit, tmp_path, kind):
    options = KINDS[kind]
    uninterrupted, its_trainer, logged_steps = fit(callbacks(tmp_path / "uninterrupted"), **options)
    best = its_trainer.checkpoint_callback.best_model_score
    steps = len(uninterrupted.batches)
    assert logged_steps == list(range(steps))
    moments = [("train", n) for n in (3, 4, 5, 8, 9, 10) if n <= steps]
    moments += [("validate", n) for n in (1, 2, 3, 4, 6) if n <= 3 * len(uninterrupted.validations)]
    for moment in moments:
        folder = tmp_path / "{}{}".format(*moment)
        stopped, _, logged = fit(callbacks(folder, SendAt(*moment, signal.SIGTERM)), **options)
        resumed, trainer, logged_later = fit(callbacks(folder), folder / "last.ckpt", **options)
        assert stopped.batches + resumed.batches == uninterrupted.batches, moment
        assert stopped.validations + resumed.validations == uninterrupted.validations, moment
        # Lightning logs a batch after the hooks in which it may be stopped.
        assert sorted({*logged, *logged_later, len(stopped.batches) - 1}) == logged_steps, moment
        stopped_early = len(stopped.batches) < steps or len(stopped.validations) < len(uninterrupted.validations)
        if stopped_early:
            assert stopped.exit_status == 128 + 15, moment
            assert torch.equal(resumed.weight, uninterrupted.weight), moment
            if best is not None:
                assert torch.equal(trainer.checkpoint_callback.best_model_score, best), moment
        if moment == ("validate", 1) and "max_steps" not in options:
            assert stopped.validations == []  # it was not waited for


@pytest.mark.parametrize("limits", [(6, 10), (4, 10), (8, 9)])
@pytest.mark.parametrize("kind", [{}, {"limit_val_batches": 0}, {"val_check_interval": 2}])
def test_a_run_that_max_steps_ended_is_resumed_with_more_of_them(fit, tmp_path, limits, kind):
    fewer, more = limits
    uninterrupted, _, _ = fit(callbacks(tmp_path / "uninterrupted"), max_steps=more, **kind)
    fit(callbacks(tmp_path), max_steps=fewer, **kind)
    resumed, _, logged = fit(callbacks(tmp_path), tmp_path / "last.ckpt", max_steps=more, **kind)
    assert resumed.batches == uninterrupted.batches[fewer:]
    assert torch.equal(resumed.weight, uninterrupted.weight)
    assert resumed.validations == [entry for entry in uninterrupted.validations if entry[0] > fewer]
    assert logged == list(range(fewer, more))


def test_ctrl_c_stops_after_the_batch_and_twice_at_once_without_a_checkpoint(fit, tmp_path):
    former = signal.getsignal(signal.SIGINT)
    stopped, trainer, _ = fit(callbacks(tmp_path, SendAt("train", 2, signal.SIGINT)))
    assert (stopped.exit_status, trainer.global_step) == (130, 2)
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 2
    assert signal.getsignal(signal.SIGINT) == former

    stopped, trainer, _ = fit(callbacks(tmp_path / "twice", SendAt("train", 2, signal.SIGINT, signal.SIGINT)))
    assert (stopped.exit_status, trainer.global_step) == (130, 1)
    assert not (tmp_path / "twice" / "last.ckpt").exists()
    assert signal.getsignal(signal.SIGINT) == former


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_that_other_code_handles_is_passed_on_when_the_checkpoint_is_written(fit, tmp_path, number):
    found = []

    def handler(received, frame):
        found.append((received, read_checkpoint(tmp_path / "last.ckpt")["global_step"]))

    former = signal.signal(number, handler)
    try:
        _, trainer, _ = fit(callbacks(tmp_path, SendAt("train", 5, number)))
        assert found == [(number, 5)]
        assert trainer.global_step == 12  # that handler does not stop it
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, former)


def test_ignored_signals_and_those_without_a_meaning_keep_their_handlers(fit, tmp_path):
    class Look(L.Callback):
        def on_train_batch_start(self, *_):
            self.handlers = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGINT)

    look = Look()
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup does
    try:
        fit(callbacks(tmp_path, look), max_steps=1)
    finally:
        signal.signal(signal.SIGINT, former)
    assert look.handlers == (signal.SIG_DFL, signal.SIG_IGN)


def test_under_slurm_the_job_is_queued_again_after_the_checkpoint(fit, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked; ls {tmp_path}/last.ckpt >> {tmp_path}/asked\n')
    program.chmod(0o755)
    for name, value in {"PATH": f"{program.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "17"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NTASKS", "PROCID", "LOCALID", "NODEID"):
        monkeypatch.setenv(f"SLURM_{name}", "1" if name == "NTASKS" else "0")
    environment = SLURMEnvironment(auto_requeue=True, requeue_signal=signal.SIGUSR1)
    fit(callbacks(tmp_path, SendAt("train", 3, signal.SIGUSR1)), plugins=[environment, AtomicCheckpointIO()])
    assert (tmp_path / "asked").read_text().splitlines() == ["requeue 17", str(tmp_path / "last.ckpt")]


def test_a_number_of_steps_below_one_is_refused():
    with pytest.raises(UserError, match="callbacks.stop.every_n_steps is 0; expected a whole number, 1 or more"):
        GracefulStop("last.ckpt", every_n_steps=0)
