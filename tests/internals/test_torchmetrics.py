"""What is reached for inside torchmetrics: fails where an upgrade has changed it."""

import importlib.util

import pytest
import torch
from torchvision.models import squeezenet1_1, vgg16

from pix2pix_lit.internals.torchmetrics import dists_network, inception_network, lpips_network


@pytest.mark.parametrize("name", ["lpips", pytest.param("dists", marks=pytest.mark.slow)])
def test_the_networks_measure_distances(name):
    if name == "lpips":
        network = lpips_network("squeeze", squeezenet1_1().features).eval()
    else:
        network = dists_network(vgg16(init_weights=False).features).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert network(images, images).flatten().tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
        assert (network(images, images.flip(-1) ** 3) > 0).all()


@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is not None, reason="would read weights")
def test_inception_is_built_by_torch_fidelity():
    with pytest.raises(ModuleNotFoundError, match="torch-fidelity"):
        inception_network("weights.pth")
