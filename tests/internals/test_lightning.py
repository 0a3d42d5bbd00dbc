"""Loop progress, and the rest of what is reached for inside Lightning: fails where an upgrade has changed it."""

import signal

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.plugins.environments import SLURMEnvironment

from pix2pix_lit.internals.lightning import (
    MultiProcessingLauncher,
    SubprocessScriptLauncher,
    cluster_environment,
    correct_loop_progress,
    epoch_number,
    finished_epochs,
    had_all_batches,
    is_restoring,
    leave_out_of_step_count,
    log_at_global_step,
    reached_max_steps,
    replace_launcher,
    set_num_threads,
    validation_is_due,
    without_signal_handling,
)

from ..trainers import silent_trainer

pytestmark = pytest.mark.filterwarnings("ignore")

BATCHES = 4


def trainer_of(*callbacks, **options):
    usual = {"max_epochs": 2, "limit_train_batches": BATCHES, "limit_val_batches": 1}
    return silent_trainer(callbacks=list(callbacks), **usual | options)


class Observe(L.Callback):
    """Keeps what a function says of the trainer at the end of each batch."""

    def __init__(self, of):
        self.of, self.found = of, []

    def on_train_batch_end(self, trainer, *_):
        self.found.append(self.of(trainer))


@pytest.mark.parametrize(
    ("of", "options", "expected"),
    [
        (validation_is_due, {}, [False, False, False, True] * 2),
        (validation_is_due, {"val_check_interval": 2}, [False, True] * 4),
        (validation_is_due, {"check_val_every_n_epoch": 2}, [False] * 7 + [True]),
        (validation_is_due, {"max_steps": 2}, [False, True]),
        (had_all_batches, {}, [False, False, False, True] * 2),
        (reached_max_steps, {"max_steps": 3}, [False, False, True]),
        (epoch_number, {}, [1] * 4 + [2] * 4),
        (finished_epochs, {}, [0] * 4 + [1] * 4),
    ],
)
def test_the_end_of_a_batch_knows_what_follows(of, options, expected):
    observe = Observe(of)
    trainer_of(observe, **options).fit(BoringModel())
    assert observe.found == expected


@pytest.mark.parametrize(("max_steps", "expected"), [(-1, 2), (4, 1), (6, 1)])
def test_an_epoch_that_was_cut_short_is_not_finished(max_steps, expected):
    trainer = trainer_of(max_steps=max_steps)
    trainer.fit(BoringModel())
    assert finished_epochs(trainer) == expected


class Record(BoringModel):
    """Keeps the order of training batches and validations, by epoch."""

    def __init__(self):
        super().__init__()
        self.events = []

    def training_step(self, batch, batch_idx):
        self.events.append((self.current_epoch, batch_idx))
        return super().training_step(batch, batch_idx)

    def on_validation_start(self):
        self.events.append("validation")

    def on_save_checkpoint(self, checkpoint):
        correct_loop_progress(self.trainer, checkpoint)


class SaveOnce(L.Callback):
    def __init__(self, hook, step, path):
        self.path, self.step = path, step
        setattr(self, hook, self.save)

    def save(self, trainer, *_):
        if trainer.global_step == self.step and not self.path.exists():
            self.events = len(trainer.lightning_module.events)
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("on_train_batch_end", 2),  # in the middle of an epoch
        ("on_train_batch_end", 4),  # before a validation that is due
        ("on_validation_start", 4),
        ("on_validation_end", 4),
        ("on_train_epoch_end", 4),
        ("on_train_end", 8),
    ],
)
def test_a_checkpoint_of_any_hook_continues_where_it_was_saved(tmp_path, hook, step):
    uninterrupted, path = Record(), tmp_path / "x.ckpt"
    save = SaveOnce(hook, step, path)
    trainer_of(save).fit(uninterrupted)
    resumed = Record()
    trainer_of().fit(resumed, ckpt_path=path)
    assert resumed.events == uninterrupted.events[save.events :]


def test_the_epoch_in_a_checkpoint_is_the_number_of_finished_ones(tmp_path):
    trainer = trainer_of()
    trainer.fit(Record())
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    checkpoint = torch.load(tmp_path / "x.ckpt")
    assert checkpoint["epoch"] == 2
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert batches["total"]["completed"] == 2 * BATCHES
    assert set(batches["current"].values()) == {0}


class TwoOptimizers(BoringModel):
    counts_both = False

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        if not self.counts_both:
            leave_out_of_step_count(self.trainer, second)
        for optimizer in (first, second):
            optimizer.zero_grad()
            self.manual_backward(self.step(batch))
            optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]


@pytest.mark.parametrize(("counts_both", "expected"), [(False, 2 * BATCHES), (True, 4 * BATCHES)])
def test_a_batch_counts_once_if_one_of_two_optimizers_is_left_out_of_the_step_count(counts_both, expected):
    module, trainer = TwoOptimizers(), trainer_of(profiler="simple")
    module.counts_both = counts_both
    trainer.fit(module)
    assert trainer.global_step == expected
    assert len(trainer.profiler.recorded_durations["optimizer_step"]) == 4 * BATCHES


class Steps(DummyLogger):
    def __init__(self):
        super().__init__()
        self.steps = []

    def log_metrics(self, metrics, step):
        self.steps += [step] * ("loss" in metrics)


class LogLoss(BoringModel):
    is_corrected = True

    def on_train_batch_start(self, batch, batch_idx):
        self.trainer.fit_loop.epoch_loop._batches_that_stepped = 100
        if self.is_corrected:
            log_at_global_step(self.trainer)

    def training_step(self, batch, batch_idx):
        self.log("loss", loss := self.step(batch))
        return loss


@pytest.mark.parametrize(("is_corrected", "expected"), [(True, [*range(8)]), (False, [100] * 8)])
def test_loggers_take_global_step_for_their_x_axis(is_corrected, expected):
    module, logger = LogLoss(), Steps()
    module.is_corrected = is_corrected
    trainer_of(logger=logger, log_every_n_steps=1).fit(module)
    assert logger.steps == expected


def test_a_trainer_is_restoring_until_training_starts(tmp_path):
    class Ask(L.Callback):
        def __init__(self):
            self.found = []

        def on_load_checkpoint(self, trainer, *_):
            self.found.append(is_restoring(trainer))

        def on_train_start(self, trainer, *_):
            self.found.append(is_restoring(trainer))

    trainer_of(SaveOnce("on_train_batch_end", 2, tmp_path / "x.ckpt")).fit(Record())
    ask = Ask()
    trainer_of(ask).fit(Record(), ckpt_path=tmp_path / "x.ckpt")
    assert ask.found == [True, False]


@pytest.mark.parametrize("is_without", [True, False])
def test_signals_are_handled_by_lightning_unless_it_is_kept_from_it(monkeypatch, is_without):
    former = signal.getsignal(signal.SIGTERM)
    found, messages = [], []

    class Look(L.Callback):
        def on_train_start(self, *_):
            found.append(signal.getsignal(signal.SIGTERM) is former)

    trainer = trainer_of(Look())
    monkeypatch.setattr(torch.distributed, "broadcast", lambda tensor, src: messages.append("of every batch"))
    if is_without:
        without_signal_handling(trainer)
    trainer.fit(BoringModel())
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor()  # called for every batch of several processes
    assert found == [is_without]
    assert (messages == []) == is_without


def test_the_cluster_is_known_with_one_device():
    assert isinstance(cluster_environment(trainer_of(plugins=[SLURMEnvironment()])), SLURMEnvironment)


def test_strategies_have_the_launchers_that_are_distinguished():
    trainer = trainer_of(strategy="ddp", devices=2)
    assert isinstance(trainer.strategy.launcher, SubprocessScriptLauncher)
    assert isinstance(trainer_of(strategy="ddp_spawn", devices=2).strategy.launcher, MultiProcessingLauncher)
    other = SubprocessScriptLauncher(trainer.strategy.cluster_environment, 2, 1)
    replace_launcher(trainer.strategy, other)
    assert trainer.strategy.launcher is other
    assert (other.num_processes, other.num_nodes, other.procs) == (2, 1, [])


def test_threads_are_shared_by_processes_unless_their_number_is_set(monkeypatch):
    numbers = []
    monkeypatch.setattr(torch, "set_num_threads", numbers.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    set_num_threads(num_processes=2)
    assert numbers == []
    monkeypatch.delenv("OMP_NUM_THREADS")
    set_num_threads(num_processes=2)
    assert len(numbers) == 1
