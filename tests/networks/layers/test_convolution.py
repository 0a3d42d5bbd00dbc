"""Convolutions that pass small maps as a matrix product, against torch's own."""

import copy

import pytest
import torch
from torch import nn

from pix2pix_lit.networks.layers import convolution
from pix2pix_lit.networks.layers.convolution import DownConvolution, UpConvolution

LAYERS = {"halving": (DownConvolution, nn.Conv2d), "doubling": (UpConvolution, nn.ConvTranspose2d)}


def passes(layer, x):
    """Output, and gradients of its weighted sum with respect to the input and all parameters."""
    x = x.detach().requires_grad_()
    output = layer(x)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return [output, *torch.autograd.grad((output * weights).sum(), [x, *layer.parameters()])]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(1, 2, 2), (3, 4, 2), (2, 8, 16), (1, 6, 10)])
@pytest.mark.parametrize("kind", LAYERS)
def test_small_maps_get_the_output_and_gradients_of_torchs_own_layer(monkeypatch, kind, size, memory_format, bias):
    ours, theirs = LAYERS[kind]
    torch.manual_seed(0)
    layer = ours(5, 3, bias).double().to(memory_format=memory_format)
    plain = theirs(5, 3, 4, stride=2, padding=1, bias=bias).double()
    plain.load_state_dict(layer.state_dict())
    count, height, width = size
    x = torch.randn(count, 5, height, width).double().contiguous(memory_format=memory_format)
    with monkeypatch.context() as patch:
        patch.setattr(theirs, "forward", None)  # not a comparison of a layer with itself
        mine = passes(layer, x)
    for own, expected in zip(mine, passes(plain, x), strict=True):
        torch.testing.assert_close(own, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_large_maps_and_inference_are_torchs_own(monkeypatch, kind):
    ours, theirs = LAYERS[kind]
    layer = ours(2, 2, False)
    called = []
    forward = theirs.forward
    monkeypatch.setattr(theirs, "forward", lambda self, x, *rest: called.append(x.shape) or forward(self, x, *rest))
    side = {"halving": 32, "doubling": 16}[kind]
    layer(torch.zeros(1, 2, side, side))  # 256 positions
    assert not called
    layer(torch.zeros(2, 2, side, side))
    layer.eval()(torch.zeros(1, 2, 4, 4))
    assert [tuple(shape) for shape in called] == [(2, 2, side, side), (1, 2, 4, 4)]
    assert convolution.MOST_POSITIONS == 256


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_are_named_and_copied_as_torchs_own(kind):
    ours, theirs = LAYERS[kind]
    layer = ours(2, 3, True)
    assert layer.state_dict().keys() == theirs(2, 3, 4).state_dict().keys()
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)
