"""The U-Net generator."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import UNetGenerator


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "parameters"), [(8, 54_413_955), (7, 41_828_995)])
def test_parameter_count_equals_the_references(depth, parameters):
    # The reference prints 54.414 M for unet_256 and 41.829 M for unet_128 (3 -> 3 channels, width 64, BatchNorm).
    assert count(UNetGenerator(depth=depth)) == parameters


def test_encoder_and_decoder_have_the_channels_of_section_6_1_1():
    generator = UNetGenerator()
    assert [block.conv.out_channels for block in generator.encoder] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [block.conv.in_channels for block in generator.decoder] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert [block.conv.out_channels for block in generator.decoder] == [512, 512, 512, 512, 256, 128, 64, 3]


def test_first_innermost_and_last_layer_have_no_norm():
    generator = UNetGenerator(depth=5, width=4)
    encoder = [isinstance(block.norm, nn.BatchNorm2d) for block in generator.encoder]
    decoder = [isinstance(block.norm, nn.BatchNorm2d) for block in generator.decoder]
    assert encoder == [False, True, True, True, False]
    assert decoder == [True, True, True, True, False]


@pytest.mark.parametrize("blocks", [(0, 1, 2), (1, 2, 3)])
def test_dropout_is_where_it_was_asked_for(blocks):
    generator = UNetGenerator(width=4, dropout_blocks=blocks)
    placed = [i for i, block in enumerate(generator.decoder) if isinstance(block.dropout, nn.Dropout)]
    assert placed == list(blocks)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_output_has_the_size_of_the_input_and_lies_within_tanh(norm, upsampling):
    generator = UNetGenerator(2, 5, width=4, depth=4, dropout_blocks=[0], norm=norm, upsampling=upsampling)
    output = generator(torch.randn(2, 2, 32, 48))
    assert output.shape == (2, 5, 32, 48)
    assert output.abs().max() <= 1


def test_equals_a_functional_forward_written_from_the_paper():
    torch.manual_seed(0)
    generator = UNetGenerator(width=4, depth=4, dropout_blocks=[], norm="instance")
    weights = dict(generator.named_parameters())
    x = torch.randn(2, 3, 32, 32)

    def normalise(x):
        return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()

    def convolve(h, name, function, activate):
        return function(activate(h), weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), 2, 1)

    conv, deconv = torch.nn.functional.conv2d, torch.nn.functional.conv_transpose2d
    leaky = lambda h: torch.where(h > 0, h, 0.2 * h)  # noqa: E731
    relu = lambda h: h.clamp(min=0)  # noqa: E731
    e1 = convolve(x, "encoder.0", conv, lambda h: h)
    e2 = normalise(convolve(e1, "encoder.1", conv, leaky))
    e3 = normalise(convolve(e2, "encoder.2", conv, leaky))
    e4 = convolve(e3, "encoder.3", conv, leaky)
    d1 = normalise(convolve(e4, "decoder.0", deconv, relu))
    d2 = normalise(convolve(torch.cat([e3, d1], 1), "decoder.1", deconv, relu))
    d3 = normalise(convolve(torch.cat([e2, d2], 1), "decoder.2", deconv, relu))
    expected = convolve(torch.cat([e1, d3], 1), "decoder.3", deconv, relu).tanh()

    torch.testing.assert_close(generator(x), expected, atol=1e-5, rtol=0)


def test_size_that_does_not_fit_is_refused_with_the_multiple():
    with pytest.raises(UserError, match="40x32 .* multiples of 16"):
        UNetGenerator(width=4, depth=4, dropout_blocks=[])(torch.zeros(1, 3, 40, 32))


@pytest.mark.parametrize(
    "wrong",
    [{"norm": "group"}, {"norm_inference": "batch"}, {"upsampling": "nearest"}, {"depth": 1}, {"dropout_blocks": [7]}],
)
def test_unknown_values_are_refused_by_name(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        UNetGenerator(width=4, **wrong)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_biases_before_norms_are_there_when_asked_for(norm):
    names = [
        {name for name, _ in UNetGenerator(width=4, depth=5, norm=norm, bias_before_norm=has).named_parameters()}
        for has in (False, True)
    ]
    normed = [f"encoder.{level}" for level in (1, 2, 3)] + [f"decoder.{block}" for block in (0, 1, 2, 3)]
    assert names[1] - names[0] == {f"{block}.conv.bias" for block in normed}
    assert names[0] <= names[1]
