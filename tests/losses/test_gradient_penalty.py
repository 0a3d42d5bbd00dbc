"""The gradient penalties against their formulas."""

import math

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import GradientPenalty, R1Penalty
from pix2pix_lit.networks import DiscriminatorOutput, MultiScalePatchGAN, PatchGAN


class LinearCritic(nn.Module):
    """logit = sum(direction * image): its gradient is ``direction`` everywhere. Twice that at a second scale."""

    def __init__(self, direction, scales=1):
        super().__init__()
        self.direction = nn.Parameter(direction)
        self.scales = scales

    def forward(self, input, image):
        logits = (self.direction * image).sum((1, 2, 3)).view(-1, 1, 1, 1)
        return [DiscriminatorOutput(scale * logits, []) for scale in range(1, self.scales + 1)]


def test_gradient_penalty_of_a_linear_critic_is_known_in_closed_form():
    direction = torch.randn(3, 4, 4)
    critic = LinearCritic(direction)
    real, fake = torch.randn(2, 5, 3, 4, 4)
    loss = GradientPenalty(10)
    penalty = loss.weight * loss(critic, real, real, fake)
    assert penalty.item() == pytest.approx(10 * (direction.norm().item() - 1) ** 2, rel=1e-5)
    penalty.backward()
    expected = 20 * (direction.norm() - 1) * direction / direction.norm()
    torch.testing.assert_close(critic.direction.grad, expected)


@pytest.mark.parametrize(("scales", "factor"), [(1, 1), (2, 3)])
def test_r1_of_a_linear_critic_is_known_in_closed_form(scales, factor):
    direction = torch.randn(3, 4, 4)
    critic = LinearCritic(direction, scales)
    real = torch.randn(5, 3, 4, 4)
    loss = R1Penalty(10, every=4)
    penalty = loss.weight * loss(critic, real, real)
    assert penalty.item() == pytest.approx(4 * 5 * factor**2 * direction.square().sum().item(), rel=1e-5)
    penalty.backward()
    torch.testing.assert_close(critic.direction.grad, 4 * 10 * factor**2 * direction)


@pytest.mark.parametrize("activation_checkpointing", [False, True])
@pytest.mark.parametrize("build", [PatchGAN, MultiScalePatchGAN])
def test_r1_of_a_discriminator_equals_finite_differences_of_its_weights(build, activation_checkpointing):
    torch.manual_seed(0)
    discriminator = build(width=4, layers=1, norm="instance", activation_checkpointing=activation_checkpointing)
    for network in discriminator.discriminators if build is MultiScalePatchGAN else [discriminator]:
        for block in network.blocks:
            block[2] = nn.Softplus()  # the gradient of a LeakyReLU network jumps, and its differences with it
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, 0, 0.2)
    input, real = torch.randn(2, 3, 3, 16, 16)
    loss = R1Penalty(1, every=1)
    loss(discriminator, input, real).backward()
    weight = next(discriminator.parameters())
    direction = weight.grad / weight.grad.norm()
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight.add_(step * direction)
        values.append(loss(discriminator, input, real).item())
        with torch.no_grad():
            weight.sub_(step * direction)
    assert weight.grad.norm().item() == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-2)


@pytest.mark.parametrize("loss", [R1Penalty(1.0), GradientPenalty(10.0)])
def test_penalties_are_float32_even_where_training_is_not(loss):
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real, fake = torch.randn(3, 2, 3, 16, 16)
    results = []
    for autocast in (False, True):
        torch.manual_seed(1)
        discriminator.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            given = {"discriminator": discriminator, "input": input, "target": real, "fake": fake}
            penalty = loss(*(given[need] for need in loss.needs))
        penalty.backward()
        results.append([penalty.detach(), *(p.grad for p in discriminator.parameters() if p.grad is not None)])
    for plain, mixed in zip(*results, strict=True):
        assert torch.equal(plain, mixed)


def test_penalties_work_on_a_compiled_discriminator():
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real = torch.randn(2, 2, 3, 16, 16)
    loss = R1Penalty(1.0)
    expected = loss(discriminator, input, real)
    discriminator.compile(backend="aot_eager")
    penalty = loss(discriminator, input, real)
    penalty.backward()
    assert torch.equal(penalty, expected)
    assert next(discriminator.parameters()).grad.abs().sum() > 0


def test_a_penalty_leaves_no_gradient_on_the_images():
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real = (torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2))
    R1Penalty(1.0)(discriminator, input, real).backward()
    assert real.grad is None
    assert input.grad is None
    assert next(discriminator.parameters()).grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": -0.1}, "weight is -0.1"),
        ({"weight": True}, "weight is True"),
        ({"every": 0}, "every is 0; expected a whole number, 1 or more"),
        ({"every": 1.5}, "every is 1.5; expected a whole number"),
    ],
)
def test_invalid_values_of_r1_are_refused(wrong, message):
    with pytest.raises(UserError, match=f"model.r1.{message}"):
        R1Penalty(**wrong)


def test_an_infinite_weight_of_the_gradient_penalty_is_refused():
    with pytest.raises(UserError, match="model.adversarial.gradient_penalty.weight is inf"):
        GradientPenalty(math.inf)
