"""The private names of torchmetrics that this package uses."""

from types import SimpleNamespace
from unittest import mock

import torch
from torch import nn


def lpips_network(net: str, features: nn.Module) -> nn.Module:
    """LPIPS (Zhang et al. 2018) with its learnt weights of layers: two (N, 3, H, W) images in [-1, 1] -> (N, 1, 1, 1).

    The public class and function refuse values such as 1.000002, and take no file with the weights of the classifier.

    Args:
        net: ``alex``, ``squeeze`` or ``vgg``.
        features: of torchvision's classifier with that architecture; they become part of the network.
    """
    from torchmetrics.functional.image import lpips  # takes seconds to import

    patched = mock.patch.object(lpips, "_get_tv_model_features", return_value=features)
    with patched, torch.random.fork_rng(devices=[]):  # its layers draw weights before they load them
        return lpips._LPIPS(pretrained=True, net=net, pnet_rand=True)  # type: ignore[arg-type]


def dists_network(features: nn.Module) -> nn.Module:
    """DISTS (Ding et al. 2020) with its learnt weights: two (N, 3, H, W) images in [0, 1] -> (N,), or () for N = 1.

    The public class and function build it again, with VGG-16's weights, at every call.

    Args:
        features: of torchvision's VGG-16; they become part of the network.
    """
    from torchmetrics.functional.image import dists

    patched = mock.patch.object(dists, "vgg16", return_value=SimpleNamespace(features=features))
    with patched, torch.random.fork_rng(devices=[]):
        return dists.DISTSNetwork()


def inception_network(weights: str) -> nn.Module:
    """InceptionV3 of the original FID: (N, 3, H, W) uint8 images of any size -> (N, 2048) features.

    Args:
        weights: path of torch-fidelity's file.
    """
    from torchmetrics.image.fid import NoTrainInceptionV3

    return NoTrainInceptionV3("inception-v3-compat", ["2048"], weights)
