"""The adversarial losses against their formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import (
    AdversarialLoss,
    HingeLoss,
    LeastSquaresLoss,
    Objective,
    VanillaLoss,
    WassersteinLoss,
)
from pix2pix_lit.networks import DiscriminatorOutput

LOSSES = {"vanilla": VanillaLoss, "lsgan": LeastSquaresLoss, "hinge": HingeLoss, "wgangp": WassersteinLoss}
INPUT = torch.zeros(1, 3, 2, 2)
VALUES = (-2.0, 0.5, 1.5, 3.0)
SIGMOID = [1 / (1 + math.exp(-x)) for x in VALUES]


def output(*scales):
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
    loss = LOSSES[kind]()
    assert loss.on_real(output(VALUES), INPUT).item() == pytest.approx(on_real)
    assert loss.on_fake(output(VALUES), INPUT).item() == pytest.approx(on_fake)
    assert loss.for_generator(output(VALUES), INPUT).item() == pytest.approx(for_generator)


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "hinge", "wgangp"])
@pytest.mark.parametrize("term", ["on_real", "on_fake", "for_generator"])
def test_scales_have_equal_weight_whatever_their_size(kind, term):
    term = getattr(LOSSES[kind](), term)
    large, small = (1.0, -1.0, 2.0, 0.5, 0.0, 3.0), (-0.5, 1.0)
    expected = (term(output(large), INPUT) + term(output(small), INPUT)) / 2
    torch.testing.assert_close(term(output(large, small), INPUT), expected)


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "hinge", "wgangp"])
def test_the_loss_of_half_precision_logits_is_computed_in_float32(kind):
    logits = torch.linspace(-2, 2, 64).view(1, 1, 8, 8).bfloat16()
    loss = LOSSES[kind]()
    for term in (loss.on_real, loss.on_fake, loss.for_generator):
        value = term([DiscriminatorOutput(logits, [])], INPUT)
        assert value.dtype == torch.float32
        assert torch.equal(value, term([DiscriminatorOutput(logits.float(), [])], INPUT))


@pytest.mark.parametrize(
    ("kind", "on_real"),
    [
        ("vanilla", mean(-0.9 * math.log(p) - 0.1 * math.log(1 - p) for p in SIGMOID)),
        ("lsgan", mean((x - 0.9) ** 2 for x in VALUES)),
    ],
)
def test_label_smoothing_changes_the_label_of_reals_only(kind, on_real):
    smooth, plain = LOSSES[kind](real_label=0.9), LOSSES[kind]()
    assert smooth.on_real(output(VALUES), INPUT).item() == pytest.approx(on_real)
    assert torch.equal(smooth.on_fake(output(VALUES), INPUT), plain.on_fake(output(VALUES), INPUT))
    assert torch.equal(smooth.for_generator(output(VALUES), INPUT), plain.for_generator(output(VALUES), INPUT))


def terms_of(loss):
    return {term.name: (term.network, term.weight, term.needs) for term in loss.terms("adversarial")}


def test_each_player_gets_its_terms_and_the_inputs_of_the_images():
    assert terms_of(HingeLoss(2)) == {
        "G_adversarial": ("generator", 2, ("fake_output", "fake_input")),
        "D_fake": ("discriminator", 0.5, ("fake_output", "fake_input")),
        "D_real": ("discriminator", 0.5, ("target_output", "target_input")),
    }


def test_the_wasserstein_critic_has_full_weight_and_a_gradient_penalty():
    terms = terms_of(WassersteinLoss(gradient_penalty=7))
    assert terms["D_fake"][1] == terms["D_real"][1] == 1
    assert terms["D_penalty"] == ("discriminator", 7, ("discriminator", "input", "target", "fake"))


@pytest.mark.parametrize("loss", LOSSES.values())
def test_weight_0_leaves_out_the_terms_of_both_networks(loss):
    assert all(weight == 0 for _, weight, _ in terms_of(loss(0)).values())


def test_a_discriminator_that_segments_fits_the_interface():
    """As of Schoenfeld et al. 2021 ("OASIS"): N classes and one more for fakes, for every pixel."""

    class SegmentationLoss(AdversarialLoss):
        def on_real(self, output, input):
            return F.cross_entropy(output[0].logits, input.argmax(1))

        def on_fake(self, output, input):
            return F.cross_entropy(output[0].logits, torch.full_like(input[:, 0], input.shape[1]).long())

        def for_generator(self, output, input):
            return self.on_real(output, input)

    loss = SegmentationLoss()
    labels = F.one_hot(torch.arange(16).view(1, 4, 4) % 3, 3).permute(0, 3, 1, 2).float()
    output = [DiscriminatorOutput(torch.cat([20 * labels, torch.zeros(1, 1, 4, 4)], 1), [])]
    given = {"fake_output": output, "fake_input": labels, "target_output": output, "target_input": labels}
    objective = Objective(term for term in loss.terms("adversarial") if term.network == "discriminator")
    _, values = objective(given, step=0)
    assert values["D_real"] < 1e-6
    assert values["D_fake"] == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": -1}, "weight is -1; expected a number, 0 or more"),
        ({"real_label": 0.4}, "real_label is 0.4; expected a number from 0.5 to 1"),
        ({"real_label": 1.1}, "real_label is 1.1"),
    ],
)
def test_invalid_values_are_refused(wrong, message):
    with pytest.raises(UserError, match=f"adversarial.{message}"):
        VanillaLoss(**wrong)
