"""Initial weights."""

import math

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN, UNetGenerator
from pix2pix_lit.networks.layers.init import initialize


def test_normal_draws_n_0_002_for_convolutions_and_n_1_002_for_norm_scales():
    torch.manual_seed(0)
    generator = UNetGenerator(depth=6)
    initialize(generator)
    convolutions = torch.cat([m.conv.weight.flatten() for m in [*generator.encoder, *generator.decoder]])
    scales = torch.cat([m.weight for m in generator.modules() if isinstance(m, nn.BatchNorm2d)])
    assert convolutions.mean().abs() < 1e-4
    assert convolutions.std().item() == pytest.approx(0.02, rel=0.01)
    assert scales.mean().item() == pytest.approx(1, abs=0.002)
    assert scales.std().item() == pytest.approx(0.02, rel=0.1)
    assert all((p == 0).all() for name, p in generator.named_parameters() if name.endswith("bias"))


def test_other_kinds_have_the_spread_of_their_definitions():
    for kind, gain, expected in [
        ("xavier", 0.02, 0.02 * math.sqrt(2 / (16 * (64 + 128)))),
        ("kaiming", 0.02, math.sqrt(2 / (16 * 64))),
    ]:
        torch.manual_seed(0)
        conv = nn.Conv2d(64, 128, 4)
        initialize(conv, kind, gain)
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.02)


def test_orthogonal_rows_are_orthogonal():
    conv = nn.Conv2d(4, 8, 4)
    initialize(conv, "orthogonal", 0.5)
    rows = conv.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 0.25 * torch.eye(8), atol=1e-5, rtol=0)


def test_what_a_spectral_norm_divides_is_initialised_and_its_singular_value_known_at_once():
    torch.manual_seed(0)
    discriminator = PatchGAN(width=16, layers=2, spectral_norm=True)
    initialize(discriminator)
    convolution = discriminator.blocks[1][0]
    original = convolution.parametrizations.weight.original
    assert original.std().item() == pytest.approx(0.02, rel=0.05)
    largest = torch.linalg.matrix_norm(original.flatten(1), 2)
    torch.testing.assert_close(discriminator.eval().blocks[1][0].weight, original / largest, rtol=0.02, atol=0)


def test_unknown_kind_is_refused():
    with pytest.raises(UserError, match="init.kind is 'zeros'"):
        initialize(PatchGAN(width=4), "zeros")
