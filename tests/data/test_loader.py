"""The order of pairs over epochs and processes, and loaders that go on midway."""

import os
import random
import re
import signal
import types
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch

from pix2pix_lit.data import loader as loader_module
from pix2pix_lit.data.audit.measure import measure_pairs
from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.data.cache import cache_in_memory, cache_on_disk
from pix2pix_lit.data.dataset import PairDataset, PairIndex
from pix2pix_lit.data.loader import EpochSampler, PairLoader
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.errors import UserError

from ..trainers import silent_trainer

SPLITS_OF_WORK = [(1, 1, 1), (7, 2, 2), (16, 2, 4), (23, 3, 2), (24, 4, 3), (101, 8, 5)]
"""(pairs, processes, batch size)"""


class Numbered(PairSource):
    """Pairs of noise, each its own."""

    settings = {}  # noqa: RUF012

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Pair:
        image = np.random.default_rng(index).integers(0, 256, (24, 24, 3), np.uint8)
        return Pair(image, 255 - image, str(index))


def make_pairs(source: PairSource, load_size: int, crop_size: int, seed: int) -> PairDataset:
    augmentation = Augmentation(source.a, source.b, crop_size, flip=True)
    return PairDataset(ResizedPairs(source, load_size), augmentation, "AtoB", seed)


def make_loader(length: int = 11, batch_size: int = 2, num_workers: int = 0, *, shuffle: bool = True) -> PairLoader:
    pairs = make_pairs(Numbered(length), 20, 16, seed=5)
    sampler = EpochSampler(length, batch_size, shuffle=shuffle, seed=5)
    return PairLoader(pairs, sampler, num_workers, prefetch=2, pin_memory=False)


def read_epoch(loader: PairLoader, epoch: int) -> list[tuple[list[str], torch.Tensor]]:
    loader.sampler.set_epoch(epoch)
    return [(batch["name"], batch["input"]) for batch in loader]


def assert_same(one, other):
    assert [names for names, _ in one] == [names for names, _ in other]
    for (_, images), (_, others) in zip(one, other, strict=True):
        torch.testing.assert_close(images, others, rtol=0, atol=0)


def indices(batch: list[PairIndex]) -> list[int]:
    return [index for _, index in batch]


@pytest.mark.parametrize(("length", "world_size", "batch_size"), SPLITS_OF_WORK)
def test_batches_of_all_processes_are_the_batch_of_one_process(length, world_size, batch_size):
    if length < world_size * batch_size:
        length = world_size * batch_size
    together = list(EpochSampler(length, world_size * batch_size, shuffle=True, seed=3))
    ranks = [
        list(EpochSampler(length, batch_size, shuffle=True, seed=3, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert {len(batches) for batches in ranks} == {len(together)}
    for k, batch in enumerate(together):
        assert sorted(batch) == sorted(draw for batches in ranks for draw in batches[k])


def test_fewer_validation_pairs_than_processes_are_refused():
    with pytest.raises(UserError, match="2 validation pairs are too few for 3 processes"):
        EpochSampler(2, 1, shuffle=False, rank=0, world_size=3)


@pytest.mark.parametrize(("length", "world_size", "batch_size"), [*SPLITS_OF_WORK, (3, 3, 2), (5, 2, 1)])
def test_validation_has_every_pair_exactly_once(length, world_size, batch_size):
    seen = []
    for rank in range(world_size):
        sampler = EpochSampler(length, batch_size, shuffle=False, rank=rank, world_size=world_size)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert all(1 <= len(batch) <= batch_size for batch in batches)
        seen += [index for batch in batches for index in indices(batch)]
    assert sorted(seen) == list(range(length))


def test_validation_on_one_process_is_in_order():
    batches = EpochSampler(7, 3, shuffle=False)
    assert [indices(batch) for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_training_has_full_batches_of_pairs_seen_once():
    sampler = EpochSampler(11, 4, shuffle=True)
    batches = [indices(batch) for batch in sampler]
    assert [len(batch) for batch in batches] == [4, 4] == [4] * len(sampler)
    assert len({index for batch in batches for index in batch}) == 8


def test_the_order_changes_with_epoch_and_seed_and_with_nothing_else():
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        sampler = EpochSampler(50, 50, shuffle=True, seed=seed)
        sampler.set_epoch(epoch)
        return tuple(indices(next(iter(sampler))))

    keys = [(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len({order(*key) for key in keys}) == 9
    assert [order(*key) for key in keys] == [order(*key) for key in keys]


def test_indices_carry_their_epoch():
    sampler = EpochSampler(6, 2, shuffle=True)
    sampler.set_epoch(4)
    assert {epoch for batch in sampler for epoch, _ in batch} == {4}


def test_too_few_pairs_for_one_batch_are_refused():
    EpochSampler(6, 3, shuffle=True, world_size=2)
    with pytest.raises(UserError, match=r"5 training pairs .*data\.batch_size=3 .* 2 process.*lower data\.batch_size"):
        EpochSampler(5, 3, shuffle=True, world_size=2)


def test_batches_are_the_same_without_and_with_workers_and_new_every_epoch():
    alone, helped = make_loader(num_workers=0), make_loader(num_workers=2)
    epochs = [read_epoch(alone, epoch) for epoch in range(3)]
    for epoch, batches in enumerate(epochs):
        assert_same(batches, read_epoch(helped, epoch))
    # Workers live on from epoch to epoch, and an epoch read again is the same again.
    assert_same(epochs[1], read_epoch(helped, 1))
    assert len({tuple(name for names, _ in batches for name in names) for batches in epochs}) == 3


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_pair_and_epoch_is_augmented_differently(num_workers):
    # Forked workers that copy one random state would repeat each other's crops, and their own in every epoch.
    class OneImage(Numbered):
        def __getitem__(self, index: int) -> Pair:
            return super().__getitem__(0)

    pairs = make_pairs(OneImage(12), 24, 12, seed=0)
    loader = PairLoader(pairs, EpochSampler(12, 1, shuffle=True), num_workers, prefetch=2, pin_memory=False)
    crops = {images.numpy().tobytes() for epoch in range(2) for _, images in read_epoch(loader, epoch)}
    assert len(crops) > 20  # 24 draws out of 13 x 13 places, mirrored or not


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("given", [1, 3, 4])
def test_a_loader_resumed_midway_gives_exactly_what_was_left(given, num_workers):
    interrupted = make_loader(num_workers=num_workers)
    interrupted.sampler.set_epoch(2)
    batches = iter(interrupted)
    for _ in range(given):
        next(batches)
    state = interrupted.state_dict()

    resumed = make_loader(num_workers=num_workers)
    resumed.load_state_dict(state)
    assert_same(read_epoch(resumed, 2), read_epoch(make_loader(), 2)[given:])
    assert_same(read_epoch(resumed, 3), read_epoch(make_loader(), 3))


def test_a_loader_saved_after_the_last_batch_starts_the_next_epoch_from_the_beginning():
    finished = make_loader()
    read_epoch(finished, 0)
    assert finished.state_dict()["batches_given"] == 0
    resumed = make_loader()
    resumed.load_state_dict(finished.state_dict())
    assert_same(read_epoch(resumed, 1), read_epoch(make_loader(), 1))


def test_a_resumed_loader_saved_again_remembers_all_batches_given():
    resumed = make_loader()
    resumed.load_state_dict({"epoch": 1, "batches_given": 2, "order": resumed.order.described})
    resumed.sampler.set_epoch(1)
    next(iter(resumed))
    assert (resumed.state_dict()["epoch"], resumed.state_dict()["batches_given"]) == (1, 3)


@pytest.mark.parametrize("changed", ["pairs", "data.batch_size", "processes", "data.seed"])
def test_a_position_within_an_epoch_of_another_order_is_refused(changed):
    loader = make_loader()
    order = loader.order.described | {changed: 7}
    with pytest.raises(UserError, match=rf"middle of an epoch with .*'{changed}': 7.*; expected the same"):
        loader.load_state_dict({"epoch": 1, "batches_given": 2, "order": order})
    loader.load_state_dict({"epoch": 1, "batches_given": 0, "order": order})  # at an epoch's end anything goes


class Recorder(L.LightningModule):
    """Learns nothing and notes the pairs it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, list[str]]] = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch["name"]))
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("step", [2, 5, 7])
def test_a_trainer_resumed_midway_sees_what_the_uninterrupted_one_would_have_seen(tmp_path, step, num_workers):
    class SaveAt(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            if trainer.global_step == step:
                trainer.save_checkpoint(tmp_path / "midway.ckpt")

    def fit(callbacks, ckpt_path=None):
        module = Recorder()
        trainer = silent_trainer(max_epochs=3, callbacks=callbacks)
        trainer.fit(module, make_loader(num_workers=num_workers), ckpt_path=ckpt_path, weights_only=False)
        return module.seen

    uninterrupted = fit([SaveAt()])
    expected = [(epoch, names) for epoch in range(3) for names, _ in read_epoch(make_loader(), epoch)]
    assert uninterrupted == expected
    assert fit([], tmp_path / "midway.ckpt") == expected[step:]


class WorkerState(torch.utils.data.Dataset):
    """Tells, instead of a batch, what its process is like."""

    def __len__(self):
        return 2

    def __getitem__(self, draws):
        ignored = [signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)]
        return os.getpid(), all(ignored), cv2.getNumThreads()


@pytest.fixture
def worker_states():
    """A loader with one worker, made by a process that has handlers of its own."""
    former = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGUSR1)}
    sampler = EpochSampler(2, 1, shuffle=False)
    yield PairLoader(WorkerState(), sampler, num_workers=1, prefetch=1, pin_memory=False)
    for number, handler in former.items():
        signal.signal(number, handler)


def test_workers_leave_signals_to_the_trainer_and_have_no_threads_of_opencv(worker_states):
    batches = iter(worker_states)
    worker, ignored, threads = next(batches)
    assert (ignored, threads) == (True, 1)
    os.kill(worker, signal.SIGTERM)  # of a cluster, say, that sends it to all
    assert tuple(next(batches)) == (worker, True, 1)  # the trainer's last batch


def test_workers_end_at_once_after_a_second_signal(worker_states):
    batches = iter(worker_states)
    worker, *_ = next(batches)
    process = worker_states._iterator._workers[0]
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or torch raises an error here when it ends
    try:
        os.kill(worker, signal.SIGTERM)
        process.join(timeout=0.5)
        assert process.is_alive()
        os.kill(worker, signal.SIGTERM)
        process.join(timeout=20)
        assert process.exitcode == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGCHLD, former)


def global_states() -> list[object]:
    return [torch.get_rng_state().tolist(), random.getstate(), [str(part) for part in np.random.get_state()]]  # noqa: NPY002


@pytest.mark.parametrize("num_workers", [0, 2])
def test_global_generators_stay_as_they_are(tmp_path, num_workers):
    before = global_states()
    pairs = ResizedPairs(Numbered(5), 12)
    cache_in_memory(pairs, num_workers, "train")
    cache_on_disk(pairs, tmp_path, num_workers, "train")
    assert len(list(measure_pairs(Numbered(5), num_workers))) == 5
    read_epoch(make_loader(num_workers=num_workers), 0)
    assert global_states() == before


def test_every_loader_is_isolated():
    package = Path(loader_module.__file__).parents[1]
    own = [path.name for path in package.rglob("*.py") if re.search(r"\bDataLoader[\[(]", path.read_text("utf-8"))]
    assert own == ["isolated_loader.py"]


def test_a_worker_without_shared_memory_is_explained():
    class Full(WorkerState):
        def __getitem__(self, draws):
            if torch.utils.data.get_worker_info() is not None:
                os.kill(os.getpid(), signal.SIGBUS)

    loader = PairLoader(Full(), EpochSampler(2, 1, shuffle=False), num_workers=1, prefetch=1, pin_memory=False)
    with pytest.raises(UserError, match="ran out of shared memory .*--shm-size, or set data.num_workers=0"):
        list(loader)


def test_a_batch_for_which_there_is_no_shared_memory_is_reported_and_nobody_waits_for_it(monkeypatch):
    def refuse(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)  # also in workers, which are forked
    with pytest.raises(UserError, match="ran out of shared memory .*No space left on device.*--shm-size, or set data"):
        read_epoch(make_loader(num_workers=1), 0)


def test_seconds_that_batches_are_waited_for_are_counted(monkeypatch):
    clock = types.SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(loader_module, "time", clock)

    class Slow(WorkerState):
        def __getitem__(self, draws):
            clock.now += 3.0
            return 0

    loader = PairLoader(Slow(), EpochSampler(2, 1, shuffle=False), num_workers=0, prefetch=1, pin_memory=False)
    for _ in loader:
        clock.now += 100.0  # of training
    assert loader.waited_seconds == 6.0
