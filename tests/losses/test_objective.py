"""Objectives: weighted sums of terms."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import Loss, Objective, Term


class Brightness(Loss):
    key = "brightness"
    needs = ("fake",)

    def forward(self, fake):
        return fake.mean()


def test_terms_are_called_with_what_they_need_and_added_with_their_weights():
    objective = Objective(
        [
            Term("a", "generator", 2.0, ("target", "fake"), lambda target, fake: target - fake),
            Term("b", "generator", 0.5, ("fake",), lambda fake: fake),
        ]
    )
    total, values = objective({"fake": torch.tensor(3.0), "target": torch.tensor(10.0)}, step=0)
    assert total == 2 * 7 + 0.5 * 3
    assert values == {"a": 7, "b": 3}


def test_terms_of_weight_0_are_left_out_with_their_needs():
    objective = Objective([Term("a", "generator", 0.0, ("fake_output",), pytest.fail)])
    assert objective.terms == []
    assert not objective.needs("fake_output")


def test_a_term_is_evaluated_in_every_kth_step():
    terms = [
        Term(name, "discriminator", 1.0, (), lambda: torch.ones(()), every) for name, every in (("a", 1), ("b", 3))
    ]
    objective = Objective(terms)
    assert [list(objective({}, step)[1]) for step in range(4)] == [["a", "b"], ["a"], ["a"], ["a", "b"]]


def test_a_new_loss_is_a_term_of_the_generators_objective_under_its_name():
    (term,) = Brightness(3.0).terms("brightness")
    assert term[:4] == ("G_brightness", "generator", 3.0, ("fake",))
    total, values = Objective([term])({"fake": torch.full((1, 3, 2, 2), 0.5)}, step=0)
    assert (total, values["G_brightness"]) == (1.5, 0.5)


def test_a_negative_weight_is_refused_by_its_key():
    with pytest.raises(UserError, match="model.brightness.weight is -1"):
        Brightness(-1)
