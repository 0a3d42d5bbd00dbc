"""The loss terms against their formulas."""

import math

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import AdversarialLoss, ReconstructionLoss

LOGITS = torch.tensor([[[[-2.0, 0.5], [1.5, 3.0]]]], dtype=torch.float64)
SIGMOID = [1 / (1 + math.exp(-x)) for x in (-2.0, 0.5, 1.5, 3.0)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("kind", "on_real", "on_fake", "for_generator"),
    [
        (
            "vanilla",
            mean(-math.log(p) for p in SIGMOID),
            mean(-math.log(1 - p) for p in SIGMOID),
            mean(-math.log(p) for p in SIGMOID),
        ),
        ("lsgan", mean([9, 0.25, 0.25, 4]), mean([4, 0.25, 2.25, 9]), mean([9, 0.25, 0.25, 4])),
        ("hinge", mean([3, 0.5, 0, 0]), mean([0, 1.5, 2.5, 4]), -0.75),
        ("wgangp", -0.75, 0.75, -0.75),
    ],
)
def test_adversarial_terms_equal_their_formulas(kind, on_real, on_fake, for_generator):
    loss = AdversarialLoss(kind)
    assert loss.on_real(LOGITS).item() == pytest.approx(on_real)
    assert loss.on_fake(LOGITS).item() == pytest.approx(on_fake)
    assert loss.for_generator(LOGITS).item() == pytest.approx(for_generator)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("l1", mean([1, 0, 2, 0.5])), ("l2", mean([1, 0, 4, 0.25])), ("charbonnier", None)],
)
def test_reconstruction_terms_equal_their_formulas(kind, expected):
    difference = torch.tensor([1.0, 0.0, -2.0, 0.5], dtype=torch.float64).view(1, 1, 2, 2)
    if expected is None:
        expected = mean(math.sqrt(d * d + 0.01**2) for d in difference.flatten().tolist())
    real = torch.randn(1, 1, 2, 2, dtype=torch.float64)
    assert ReconstructionLoss(kind, epsilon=0.01)(real + difference, real).item() == pytest.approx(expected)


class LinearCritic(nn.Module):
    """logit = sum(direction * image): its gradient is ``direction`` everywhere."""

    def __init__(self, direction):
        super().__init__()
        self.direction = nn.Parameter(direction)

    def forward(self, input, image):
        return (self.direction * image).sum((1, 2, 3)).view(-1, 1, 1, 1)


def test_gradient_penalty_of_a_linear_critic_is_known_in_closed_form():
    direction = torch.randn(3, 4, 4)
    critic = LinearCritic(direction)
    real, fake = torch.randn(2, 5, 3, 4, 4)
    penalty = AdversarialLoss("wgangp", gradient_penalty=10).penalty(critic, real, real, fake)
    assert penalty.item() == pytest.approx(10 * (direction.norm().item() - 1) ** 2, rel=1e-5)
    penalty.backward()
    expected = 20 * (direction.norm() - 1) * direction / direction.norm()
    torch.testing.assert_close(critic.direction.grad, expected)


@pytest.mark.parametrize("loss", [AdversarialLoss, ReconstructionLoss])
def test_unknown_kinds_and_negative_weights_are_refused(loss):
    with pytest.raises(UserError, match="kind is 'wrong'"):
        loss("wrong")
    with pytest.raises(UserError, match="weight is -1"):
        loss(weight=-1)
