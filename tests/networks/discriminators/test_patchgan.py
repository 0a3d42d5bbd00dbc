"""The PatchGAN discriminator."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN
from pix2pix_lit.networks.layers.init import initialize


def logits_of(discriminator, input, image):
    (output,) = discriminator(input, image)
    return output.logits


def test_parameter_count_of_the_70x70_equals_the_references():
    assert sum(p.numel() for p in PatchGAN().parameters()) == 2_768_705  # the reference prints 2.769 M


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286), (6, 574)])
def test_receptive_field_is_what_the_gradient_of_one_logit_reaches(layers, field):
    discriminator = PatchGAN(1, 1, width=1, layers=layers, norm="none").double()
    for parameter in discriminator.parameters():
        nn.init.constant_(parameter, 0.1)  # positive weights, no path cancels another
    side = max(64, field + 2 * 2**layers)
    image = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = logits_of(discriminator, torch.zeros_like(image), image)
    row, column = logits.shape[2] // 2, logits.shape[3] // 2
    logits[0, 0, row, column].backward()
    reached = image.grad[0, 0].nonzero()
    height, width = (reached.max(0).values - reached.min(0).values + 1).tolist()
    assert (height, width) == (field, field)
    assert discriminator.receptive_field == field


def test_conditional_sees_the_input_and_unconditional_does_not():
    image, one, other = torch.randn(3, 1, 3, 64, 64)
    conditional, unconditional = PatchGAN(width=4).eval(), PatchGAN(width=4, conditional=False).eval()
    assert not torch.equal(logits_of(conditional, one, image), logits_of(conditional, other, image))
    assert torch.equal(logits_of(unconditional, one, image), logits_of(unconditional, other, image))
    assert unconditional.blocks[0][0].in_channels == 3


def test_logits_of_a_256_image_are_30x30_as_in_the_reference():
    x = torch.zeros(2, 3, 256, 256)
    assert logits_of(PatchGAN(width=4), x, x).shape == (2, 1, 30, 30)


def test_too_many_layers_are_refused():
    with pytest.raises(UserError, match="layers is 7"):
        PatchGAN(layers=7)


def test_features_are_the_outputs_of_all_blocks_before_the_head():
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=2)
    seen = []
    for block in discriminator.blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    (output,) = discriminator(*torch.randn(2, 2, 3, 32, 32))
    assert [feature.shape[1:] for feature in output.features] == [(4, 16, 16), (8, 8, 8), (16, 7, 7)]
    assert all(feature is output for feature, output in zip(output.features, seen, strict=True))
    assert torch.equal(discriminator.head(output.features[-1]), output.logits)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_images_below_the_smallest_side_are_refused(layers):
    discriminator = PatchGAN(width=2, layers=layers, norm="none" if layers == 0 else "batch")
    side = discriminator.smallest_side
    assert logits_of(discriminator, *torch.zeros(2, 1, 3, side, side)).shape == (1, 1, 1, 1)
    if side > 1:
        with pytest.raises(UserError, match=f"image is {side}x{side - 1} .* at least {side}x{side}"):
            discriminator(*torch.zeros(2, 1, 3, side, side - 1))


@pytest.mark.parametrize("layers", [0, 3])
def test_spectral_norm_brings_every_convolution_to_a_largest_singular_value_of_one(layers):
    torch.manual_seed(0)
    discriminator = PatchGAN(width=4, layers=layers, spectral_norm=True)
    initialize(discriminator)
    for _ in range(10):
        discriminator(*torch.randn(2, 1, 3, 32, 32))
    convolutions = [module for module in discriminator.eval().modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == (3 if layers == 0 else 5)
    for convolution in convolutions:
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_weights_of_a_spectral_norm_survive_a_state_dict():
    torch.manual_seed(0)
    pair = torch.randn(2, 1, 3, 32, 32)
    one, other = (PatchGAN(width=4, layers=1, spectral_norm=True).eval() for _ in range(2))
    assert not torch.equal(logits_of(one, *pair), logits_of(other, *pair))
    other.load_state_dict(one.state_dict())
    assert torch.equal(logits_of(one, *pair), logits_of(other, *pair))
