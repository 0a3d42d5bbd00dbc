"""Random numbers of a training step."""

from types import SimpleNamespace

import torch

from pix2pix_lit.callbacks import StepSeed


def draw(seed: int, step: int, rank: int) -> float:
    trainer = SimpleNamespace(global_step=step, global_rank=rank)
    StepSeed(seed).on_train_batch_start(trainer, None, None, 0)
    return torch.rand(()).item()


def test_draws_depend_on_seed_step_and_process():
    assert len({draw(*key) for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 0)]}) == 6


def test_draws_do_not_depend_on_what_was_drawn_before():
    expected = draw(3, 17, 1)
    torch.manual_seed(99)
    torch.rand(1000)
    assert draw(3, 17, 1) == expected


def test_draws_of_many_steps_are_all_different():
    assert len({draw(0, step, rank) for step in range(500) for rank in range(2)}) > 990  # of 24 random bits each
