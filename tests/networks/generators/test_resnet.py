"""The residual generator."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import ResNetGenerator


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_383_427), (6, 7_841_411)])
def test_parameter_count_follows_from_the_layers(blocks, parameters):
    weights = 2 * 3 * 64 * 7**2 + 3**2 * (2 * 64 * 128 + 2 * 128 * 256 + blocks * 2 * 256 * 256)
    norms = 2 * (64 + 128 + 256 + blocks * 2 * 256 + 128 + 64)
    assert parameters == weights + norms + 3  # 3: biases of the last convolution
    assert sum(p.numel() for p in ResNetGenerator(blocks=blocks).parameters()) == parameters


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_output_has_the_size_of_the_input_and_lies_within_tanh(norm):
    output = ResNetGenerator(2, 5, width=4, blocks=2, norm=norm)(torch.randn(2, 2, 20, 36))
    assert output.shape == (2, 5, 20, 36)
    assert output.abs().max() <= 1


def test_every_output_pixel_of_a_deep_one_sees_far():
    generator = ResNetGenerator(width=4, blocks=9, norm="none", dropout=0).double()
    x = torch.randn(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    generator(x)[0, 0, 64, 64].backward()
    seen = (x.grad != 0).any(dim=1)[0].nonzero()
    # 7x7 stem and head, two stride-2 layers, 18 convolutions of 3x3 at a quarter of the resolution
    assert (seen.max(0).values - seen.min(0).values + 1 >= 2 * 4 * 9).all()


def test_size_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="30x32 .* multiples of 4"):
        ResNetGenerator(width=4, blocks=1)(torch.zeros(1, 3, 30, 32))


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_biases_before_norms_are_there_when_asked_for(norm):
    names = [
        {name for name, _ in ResNetGenerator(width=4, blocks=1, norm=norm, bias_before_norm=has).named_parameters()}
        for has in (False, True)
    ]
    normed = ["stem.0", "down.0.0", "down.1.0", "blocks.0.conv1", "blocks.0.conv2", "up.0.0", "up.1.0"]
    assert names[1] - names[0] == {f"{convolution}.bias" for convolution in normed}
    assert names[0] <= names[1]
