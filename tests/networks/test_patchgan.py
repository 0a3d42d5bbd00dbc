"""The PatchGAN discriminator."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN


def test_parameter_count_of_the_70x70_equals_the_references():
    assert sum(p.numel() for p in PatchGAN().parameters()) == 2_768_705  # the reference prints 2.769 M


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286), (6, 574)])
def test_receptive_field_is_what_the_gradient_of_one_logit_reaches(layers, field):
    discriminator = PatchGAN(1, 1, width=1, layers=layers, norm="none").double()
    for parameter in discriminator.parameters():
        nn.init.constant_(parameter, 0.1)  # positive weights, so that no path cancels another
    side = max(64, field + 2 * 2**layers)
    image = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = discriminator(torch.zeros_like(image), image)
    row, column = logits.shape[2] // 2, logits.shape[3] // 2
    logits[0, 0, row, column].backward()
    reached = image.grad[0, 0].nonzero()
    height, width = (reached.max(0).values - reached.min(0).values + 1).tolist()
    assert (height, width) == (field, field)
    assert discriminator.receptive_field == field


def test_conditional_sees_the_input_and_unconditional_does_not():
    image, one, other = torch.randn(3, 1, 3, 64, 64)
    conditional, unconditional = PatchGAN(width=4).eval(), PatchGAN(width=4, conditional=False).eval()
    assert not torch.equal(conditional(one, image), conditional(other, image))
    assert torch.equal(unconditional(one, image), unconditional(other, image))
    assert unconditional.blocks[0][0].in_channels == 3


def test_logits_of_a_256_image_are_30x30_as_in_the_reference():
    x = torch.zeros(2, 3, 256, 256)
    assert PatchGAN(width=4)(x, x).shape == (2, 1, 30, 30)


def test_too_many_layers_are_refused():
    with pytest.raises(UserError, match="layers is 7"):
        PatchGAN(layers=7)
