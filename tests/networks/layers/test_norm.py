"""Normalisation during training and after it."""

import copy

import pytest
import torch
from torch import nn

from pix2pix_lit.networks import PatchGAN
from pix2pix_lit.networks.layers.norm import BatchNorm2d, frozen_running_statistics, make_norm, statistics_of_parts


def trained(inference: str) -> BatchNorm2d:
    torch.manual_seed(0)
    norm = BatchNorm2d(4, inference)
    nn.init.normal_(norm.weight, 1, 0.5)
    nn.init.normal_(norm.bias, 0, 0.5)
    for _ in range(5):
        norm(3 + 2 * torch.randn(2, 4, 8, 8))
    return norm.eval()


def test_training_is_plain_batch_norm():
    ours, plain = BatchNorm2d(4), nn.BatchNorm2d(4)
    x = torch.randn(3, 4, 8, 8)
    assert torch.equal(ours(x), plain(x))
    assert torch.equal(ours.running_var, plain.running_var)


def test_per_image_normalises_each_image_with_its_own_statistics():
    norm = trained("per_image")
    x = 5 + 3 * torch.randn(3, 4, 8, 8)
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    scale, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), (x - mean) / (variance + 1e-5).sqrt() * scale + shift)


def test_per_image_equals_what_training_mode_does_with_a_batch_of_one():
    norm = trained("per_image")
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(norm(x), norm.train()(x))


def test_running_uses_the_averages_of_training():
    norm = trained("running")
    x = torch.randn(3, 4, 8, 8)
    mean, variance = norm.running_mean[:, None, None], norm.running_var[:, None, None]
    expected = (x - mean) / (variance + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


def statistics(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.named_buffers()}


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_statistics_of_parts_equal_separate_passes_in_outputs_gradients_and_running_statistics(parts):
    torch.manual_seed(0)
    together = PatchGAN(width=4, layers=2).double()
    apart = copy.deepcopy(together)
    input, image = torch.randn(2, 6, 3, 32, 32, dtype=torch.float64)

    with statistics_of_parts(together, parts):
        ours = together(input, image)[0].logits
    theirs = torch.cat([apart(*pair)[0].logits for pair in zip(input.chunk(parts), image.chunk(parts), strict=True)])
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(statistics(together), statistics(apart))
    for output in (ours, theirs):
        (output * torch.arange(6.0).view(6, 1, 1, 1)).square().mean().backward()
    for (name, parameter), other in zip(together.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, msg=name)


def test_a_batch_that_parts_do_not_divide_is_refused():
    norm = BatchNorm2d(2)
    with statistics_of_parts(norm, 2), pytest.raises(RuntimeError, match="unflatten"):
        norm(torch.randn(3, 2, 4, 4))


def test_parts_end_with_their_context_even_after_an_error():
    norm, plain = BatchNorm2d(2), nn.BatchNorm2d(2)
    with pytest.raises(KeyError), statistics_of_parts(norm, 2):
        raise KeyError
    x = torch.randn(4, 2, 4, 4)
    assert torch.equal(norm(x), plain(x))


@pytest.mark.parametrize("parts", [1, 2])
def test_frozen_running_statistics_change_no_output_and_stay(parts):
    torch.manual_seed(0)
    frozen = PatchGAN(width=4, layers=2)
    free = copy.deepcopy(frozen)
    pair = torch.randn(2, 4, 3, 32, 32)
    before = statistics(frozen)
    with frozen_running_statistics(frozen), statistics_of_parts(frozen, parts):
        ours = frozen(*pair)[0].logits
    with statistics_of_parts(free, parts):
        assert torch.equal(ours, free(*pair)[0].logits)
    assert all(torch.equal(value, before[name]) for name, value in statistics(frozen).items())
    frozen(*pair)
    assert not any(torch.equal(value, before[name]) for name, value in statistics(frozen).items())


@pytest.mark.parametrize("kind", ["batch", "instance"])
@pytest.mark.parametrize("size", [(31, 33), (32, 32), (8, 300), (1, 2)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_in_eval_mode_every_image_is_normalised_by_itself_whatever_its_size(kind, size, memory_format):
    torch.manual_seed(0)
    layer = make_norm(kind, 5)
    if kind == "batch":
        layer.weight.data.uniform_(0.5, 2)
        layer.bias.data.normal_()
    x = (torch.randn(3, 5, *size) * torch.tensor([0.1, 1, 9]).view(3, 1, 1, 1) + 2).contiguous(
        memory_format=memory_format
    )
    wide = x.double()
    expected = wide - wide.mean((2, 3), keepdim=True)
    expected = expected / (wide.var((2, 3), correction=0, keepdim=True) + layer.eps).sqrt()
    if kind == "batch":
        expected = expected * layer.weight.double().view(-1, 1, 1) + layer.bias.double().view(-1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(layer.eval()(x).double(), expected, rtol=0, atol=2e-4)
