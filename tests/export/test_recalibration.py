"""Running statistics of batch norm, measured again."""

import numpy as np
import pytest
import torch
from torch import nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.export.recalibration import recalibrate
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.networks import UNetGenerator


def make(norm: str = "batch") -> tuple[nn.Module, GeneratorMetadata]:
    torch.manual_seed(0)
    network = UNetGenerator(width=4, depth=3, norm=norm, norm_inference="running", dropout_blocks=(0,)).eval()
    return network, GeneratorMetadata({"norm": norm, "norm_inference": "running"}, RGB, RGB, 8, 8)


def images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 40 * (i + 1), (16, 24, 3)).astype(np.uint8) for i in range(count)]


def test_statistics_are_those_of_all_pixels_of_all_images():
    network, metadata = make()
    seen: dict[nn.Module, list[torch.Tensor]] = {}
    expected = {}
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.inference = "per_image"
        layer.register_forward_pre_hook(lambda layer, inputs: seen.setdefault(layer, []).append(inputs[0]))
    with torch.no_grad():
        for image in images(5):
            network(RGB.to_network(torch.from_numpy(image)[None].permute(0, 3, 1, 2)))
    for layer in layers:
        layer.inference = "running"
        values = torch.cat([x.transpose(0, 1).flatten(1) for x in seen.pop(layer)], 1).double()
        expected[layer] = values.mean(1), values.var(1)
    weights = [parameter.clone() for parameter in network.parameters()]

    recalibrate(network, metadata, images(5))
    for layer in layers:
        torch.testing.assert_close(layer.running_mean.double(), expected[layer][0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.running_var.double(), expected[layer][1], rtol=1e-4, atol=1e-5)
        assert layer.inference == "running"
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))


def test_running_statistics_of_one_image_generate_what_its_own_do():
    network, metadata = make()
    [image] = images(1)
    recalibrate(network, metadata, [image])
    floats = RGB.to_network(torch.from_numpy(image)[None].permute(0, 3, 1, 2))
    with torch.no_grad():
        running = network(floats)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.inference = "per_image"
        # At 4x6 pixels, n - 1 instead of n below the variance is a matter of percents.
        torch.testing.assert_close(running, network(floats), rtol=0, atol=0.05)


def test_networks_without_batch_norm_and_no_images_are_refused():
    with pytest.raises(UserError, match="0 layers of batch norm and 1 images"):
        recalibrate(*make("instance"), images(1))
    with pytest.raises(UserError, match="and 0 images"):
        recalibrate(*make(), [])
