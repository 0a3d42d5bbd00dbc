"""Learning rates."""

import math

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.training.schedule import LearningRateSchedule


def test_linear_decay_is_the_reference_implementations():
    schedule = LearningRateSchedule(constant_epochs=100, decay_epochs=100)
    # max(0, epoch + 1 - n_epochs) / (n_epochs_decay + 1) from 1, for epochs counted from 0
    for epoch in (0, 98, 99, 100, 150, 199):
        assert schedule.factor(epoch, 0) == pytest.approx(1 - max(0, epoch + 1 - 100) / 101)
    assert schedule.epochs == 200


def test_cosine_decay_falls_from_1_by_half_a_cosine():
    schedule = LearningRateSchedule(constant_epochs=2, decay_epochs=9, decay="cosine")
    assert [schedule.factor(epoch, 0) for epoch in (0, 1)] == [1, 1]
    assert [schedule.factor(2 + epoch, 0) for epoch in range(9)] == pytest.approx(
        [(1 + math.cos(math.pi * (epoch + 1) / 10)) / 2 for epoch in range(9)]
    )
    assert schedule.factor(11, 0) == pytest.approx(0)


def test_rates_are_0_beyond_the_schedule():
    assert LearningRateSchedule(1, 1).factor(7, 0) == 0
    assert LearningRateSchedule(1, 1, "cosine").factor(7, 0) == 0


def test_warm_up_rises_by_steps_and_multiplies_the_decay():
    schedule = LearningRateSchedule(constant_epochs=0, decay_epochs=1, warmup_steps=4)
    assert [schedule.factor(0, step) for step in range(6)] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 1 / 2, 1 / 2, 1 / 2])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"constant_epochs": -1}, "model.schedule.constant_epochs is -1"),
        ({"warmup_steps": 0.5}, "model.schedule.warmup_steps is 0.5"),
        ({"decay": "step"}, "model.schedule.decay is 'step'; expected one of .*cosine"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        LearningRateSchedule(**({"constant_epochs": 1, "decay_epochs": 1} | wrong))
