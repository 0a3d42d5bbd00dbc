"""What is reached for inside torchmetrics: fails where an upgrade has changed it."""

import torch

from pix2pix_lit.internals.torchmetrics import lpips_network


def test_the_network_of_lpips_measures_distances():
    network = lpips_network().eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        assert network(images, images).flatten().tolist() == [0.0, 0.0]
        assert (network(images, -images) > 0).all()
