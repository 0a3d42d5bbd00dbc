"""Normalisation during training and after it."""

import torch
from torch import nn

from pix2pix_lit.networks.norm import BatchNorm2d


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
