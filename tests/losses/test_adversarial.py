"""The adversarial terms and the penalties against their formulas."""

import math

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import AdversarialLoss
from pix2pix_lit.networks import DiscriminatorOutput, MultiScalePatchGAN, PatchGAN

VALUES = (-2.0, 0.5, 1.5, 3.0)
SIGMOID = [1 / (1 + math.exp(-x)) for x in VALUES]


def judged(*scales):
    return [DiscriminatorOutput(torch.tensor(values).view(1, 1, 2, -1), []) for values in scales]


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
def test_terms_equal_their_formulas(kind, on_real, on_fake, for_generator):
    loss = AdversarialLoss(kind)
    assert loss.on_real(judged(VALUES)).item() == pytest.approx(on_real)
    assert loss.on_fake(judged(VALUES)).item() == pytest.approx(on_fake)
    assert loss.for_generator(judged(VALUES)).item() == pytest.approx(for_generator)


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "hinge", "wgangp"])
@pytest.mark.parametrize("term", ["on_real", "on_fake", "for_generator"])
def test_scales_count_alike_whatever_their_size(kind, term):
    term = getattr(AdversarialLoss(kind), term)
    large, small = (1.0, -1.0, 2.0, 0.5, 0.0, 3.0), (-0.5, 1.0)
    expected = (term(judged(large)) + term(judged(small))) / 2
    torch.testing.assert_close(term(judged(large, small)), expected)


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "hinge", "wgangp"])
def test_half_precision_logits_lose_nothing_in_the_loss(kind):
    logits = torch.linspace(-2, 2, 64).view(1, 1, 8, 8).bfloat16()
    loss = AdversarialLoss(kind)
    for term in (loss.on_real, loss.on_fake, loss.for_generator):
        value = term([DiscriminatorOutput(logits, [])])
        assert value.dtype == torch.float32
        assert torch.equal(value, term([DiscriminatorOutput(logits.float(), [])]))


@pytest.mark.parametrize(
    ("kind", "on_real"),
    [
        ("vanilla", mean(-0.9 * math.log(p) - 0.1 * math.log(1 - p) for p in SIGMOID)),
        ("lsgan", mean((x - 0.9) ** 2 for x in VALUES)),
    ],
)
def test_label_smoothing_moves_the_target_of_reals_alone(kind, on_real):
    smooth, plain = AdversarialLoss(kind, real_label=0.9), AdversarialLoss(kind)
    assert smooth.on_real(judged(VALUES)).item() == pytest.approx(on_real)
    assert torch.equal(smooth.on_fake(judged(VALUES)), plain.on_fake(judged(VALUES)))
    assert torch.equal(smooth.for_generator(judged(VALUES)), plain.for_generator(judged(VALUES)))


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
    penalty = AdversarialLoss("wgangp", gradient_penalty=10).penalty(critic, real, real, fake)
    assert penalty.item() == pytest.approx(10 * (direction.norm().item() - 1) ** 2, rel=1e-5)
    penalty.backward()
    expected = 20 * (direction.norm() - 1) * direction / direction.norm()
    torch.testing.assert_close(critic.direction.grad, expected)


@pytest.mark.parametrize(("scales", "factor"), [(1, 1), (2, 3)])
def test_r1_of_a_linear_critic_is_known_in_closed_form(scales, factor):
    direction = torch.randn(3, 4, 4)
    critic = LinearCritic(direction, scales)
    real = torch.randn(5, 3, 4, 4)
    penalty = AdversarialLoss(r1=10, r1_every=4).r1_penalty(critic, real, real)
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
    loss = AdversarialLoss(r1=1, r1_every=1)
    loss.r1_penalty(discriminator, input, real).backward()
    weight = next(discriminator.parameters())
    direction = weight.grad / weight.grad.norm()
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight.add_(step * direction)
        values.append(loss.r1_penalty(discriminator, input, real).item())
        with torch.no_grad():
            weight.sub_(step * direction)
    assert weight.grad.norm().item() == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-2)


@pytest.mark.parametrize("kind", ["r1", "wgangp"])
def test_penalties_are_float32_even_where_training_is_not(kind):
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real, fake = torch.randn(3, 2, 3, 16, 16)
    loss = AdversarialLoss("wgangp" if kind == "wgangp" else "vanilla", r1=1.0)
    results = []
    for autocast in (False, True):
        torch.manual_seed(1)
        discriminator.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            if kind == "r1":
                penalty = loss.r1_penalty(discriminator, input, real)
            else:
                penalty = loss.penalty(discriminator, input, real, fake)
        penalty.backward()
        results.append([penalty.detach(), *(p.grad for p in discriminator.parameters() if p.grad is not None)])
    for plain, mixed in zip(*results, strict=True):
        assert torch.equal(plain, mixed)


def test_penalties_work_on_a_compiled_discriminator():
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real = torch.randn(2, 2, 3, 16, 16)
    loss = AdversarialLoss(r1=1.0)
    expected = loss.r1_penalty(discriminator, input, real)
    discriminator.compile(backend="aot_eager")
    penalty = loss.r1_penalty(discriminator, input, real)
    penalty.backward()
    assert torch.equal(penalty, expected)
    assert next(discriminator.parameters()).grad.abs().sum() > 0


def test_a_penalty_leaves_no_gradient_on_the_images():
    discriminator = PatchGAN(width=4, layers=1, norm="instance")
    input, real = (torch.randn(2, 3, 16, 16, requires_grad=True) for _ in range(2))
    AdversarialLoss(r1=1.0).r1_penalty(discriminator, input, real).backward()
    assert real.grad is None
    assert input.grad is None
    assert next(discriminator.parameters()).grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("arguments", "penalises"),
    [({}, False), ({"kind": "wgangp"}, True), ({"r1": 0.1}, True), ({"kind": "hinge", "gradient_penalty": 10}, False)],
)
def test_gradients_are_penalised_by_wgangp_and_r1(arguments, penalises):
    assert AdversarialLoss(**arguments).penalises_gradients == penalises


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "wrong"}, "kind is 'wrong'; expected one of"),
        ({"weight": -1}, "weight is -1; expected a number, 0 or more"),
        ({"gradient_penalty": math.inf}, "gradient_penalty is inf"),
        ({"real_label": 0.4}, "real_label is 0.4; expected a number from 0.5 to 1"),
        ({"real_label": 1.1}, "real_label is 1.1"),
        ({"kind": "hinge", "real_label": 0.9}, "real_label is 0.9, but hinge has no labels"),
        ({"kind": "wgangp", "real_label": 0.9}, "real_label is 0.9, but wgangp has no labels"),
        ({"r1": -0.1}, "r1 is -0.1"),
        ({"r1": True}, "r1 is True"),
        ({"r1_every": 0}, "r1_every is 0; expected a whole number, 1 or more"),
        ({"r1_every": 1.5}, "r1_every is 1.5; expected a whole number"),
    ],
)
def test_values_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(UserError, match=f"adversarial.{message}"):
        AdversarialLoss(**wrong)
