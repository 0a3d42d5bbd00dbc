"""Images per second, by a clock that the tests set."""

import lightning as L
import pytest
import torch

from pix2pix_lit.callbacks import Throughput, throughput
from pix2pix_lit.data import loader as loader_module
from pix2pix_lit.data.loader import EpochSampler, PairLoader

from ..trainers import silent_trainer


class Clock:
    """Stands still, except for what is added to ``now``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (throughput, loader_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


class Training(L.LightningModule):
    """Every training step takes ``seconds``, every validation step a hundred; notes what is logged."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock = clock
        self.seconds = seconds
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.logged: list[tuple[int, float]] = []
        self.waited: list[tuple[int, float]] = []

    def training_step(self, batch, batch_idx):
        self.clock.now += self.seconds
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.clock.now += 100.0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def log(self, name, value, *args, **kwargs):
        if name == "speed/images_per_second":
            self.logged.append((self.global_step, value))
        if name == "speed/waiting_for_data":
            self.waited.append((self.global_step, value))
        super().log(name, value, *args, **kwargs)


class SlowBatches(torch.utils.data.Dataset):
    """Each of 12 batches of 4 images takes ``seconds`` to arrive."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index):
        self.clock.now += self.seconds
        return {"input": torch.zeros(4, 3, 2, 2)}


def fit(clock: Clock, every_n_steps: int, step_seconds: float, data_seconds: float = 0.0, **options):
    """The values logged in two epochs of 12 steps, as (step, images per second)."""
    return fit_module(clock, every_n_steps, step_seconds, data_seconds, **options).logged


def fit_module(clock: Clock, every_n_steps: int, step_seconds: float, data_seconds: float, **options):
    """The module after two epochs of 12 steps."""
    module = Training(clock, step_seconds)
    sampler = EpochSampler(12, 1, shuffle=False)
    loader = PairLoader(SlowBatches(clock, data_seconds), sampler, num_workers=0, prefetch=1, pin_memory=False)
    trainer = silent_trainer(max_epochs=2, callbacks=[Throughput(every_n_steps)], **options)
    trainer.fit(module, loader, loader)
    return module


pytestmark = pytest.mark.filterwarnings("ignore")


def test_images_are_divided_by_the_seconds_that_they_took(clock):
    logged = fit(clock, every_n_steps=4, step_seconds=0.5)
    assert logged == [(step, pytest.approx(8.0)) for step in (4, 8, 12, 16, 20, 24)]


def test_waiting_for_data_counts(clock):
    logged = fit(clock, every_n_steps=12, step_seconds=0.5, data_seconds=0.5)
    # 12 batches of 4 images; the wait for the first of them is over when the clock starts.
    assert logged == [(step, pytest.approx(48 / (12 * 0.5 + 11 * 0.5))) for step in (12, 24)]


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5])
def test_the_part_of_the_time_that_data_were_waited_for_is_logged(clock, seconds):
    waited = fit_module(clock, every_n_steps=4, step_seconds=0.5, data_seconds=seconds).waited
    first = 3 * seconds / (4 * 0.5 + 3 * seconds)  # the clock of an epoch starts with its first batch
    later = seconds / (0.5 + seconds)
    assert waited == [(step, pytest.approx(first if step in (4, 16) else later)) for step in (4, 8, 12, 16, 20, 24)]


def test_waiting_between_two_logged_batches_counts(clock):
    logged = fit(clock, every_n_steps=1, step_seconds=0.5, data_seconds=0.5)
    assert logged[0] == (1, pytest.approx(4 / 0.5))
    assert logged[1:12] == [(step, pytest.approx(4 / 1.0)) for step in range(2, 13)]


def test_validation_does_not_count(clock):
    logged = fit(clock, every_n_steps=4, step_seconds=0.5, val_check_interval=6)
    assert logged == [(step, pytest.approx(8.0)) for step in (4, 8, 12, 16, 20, 24)]


def test_an_epochs_end_restarts_the_count(clock):
    logged = fit(clock, every_n_steps=8, step_seconds=0.5)
    assert logged == [(8, pytest.approx(8.0)), (16, pytest.approx(8.0)), (24, pytest.approx(8.0))]


def test_images_of_all_devices_count(clock):
    class FourDevices:
        world_size = 4
        global_step = 1
        train_dataloader = None

    module = Training(clock, 0.0)
    logged = []
    module.log = lambda name, value, **options: logged.append((name, value))
    callback = Throughput(every_n_steps=1)
    batch = {"input": torch.zeros(5, 3, 2, 2)}
    callback.on_train_batch_start(FourDevices(), module, batch, 0)
    clock.now += 2.0
    callback.on_train_batch_end(FourDevices(), module, None, batch, 0)
    assert logged == [("speed/images_per_second", pytest.approx(10.0))]
