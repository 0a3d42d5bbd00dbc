"""Recomputes the running statistics of BatchNorm with the final weights of a training."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.padding import padded_floats


@torch.no_grad()
def recalibrate(network: nn.Module, metadata: GeneratorMetadata, images: list[np.ndarray]) -> None:
    """Set the running means and variances of ``network`` to those over all of ``images``.

    The moving averages of training are of activations under earlier weights. Here, as in Wu & Johnson 2021 ("Rethinking
    'Batch' in BatchNorm", section 3), the mean and variance of every channel are computed over all images, while the
    layers normalise with each image's own statistics, as in training at batch size 1.

    Args:
        network: in eval mode; its parameters do not change.
        metadata: of ``network``.
        images: (H, W, planes) inputs, such as those of the training set.

    Raises:
        UserError: for a network without BatchNorm, and without images.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers or not images:
        raise UserError(
            f"recalibrate is true, but there are {len(layers)} layers of batch norm and {len(images)} images; expected "
            f"some of both: only batch norm has running statistics"
        )
    sums = {layer: _Sums(layer.num_features) for layer in layers}
    hooks = [layer.register_forward_pre_hook(sums[layer].add) for layer in layers]
    modes = [layer.inference for layer in layers]
    try:
        for layer in layers:
            layer.inference = "per_image"  # type: ignore[assignment]
        for image in images:
            pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
            network(padded_floats(pixels, metadata.input, metadata.size_multiple, metadata.smallest_side))
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in zip(layers, modes, strict=True):
            layer.inference = mode
    for layer in layers:
        mean, variance = sums[layer].moments()
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)


class _Sums:
    """Mean and variance of channels over all pixels of all images, accumulated image by image in double precision."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = torch.zeros(channels, dtype=torch.float64)
        self.squares = torch.zeros(channels, dtype=torch.float64)  # of distances to the mean

    def add(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Combine with another image's (Chan et al. 1983)."""
        values: Tensor = inputs[0].double().transpose(0, 1).flatten(1)  # (C, pixels)
        count = values.shape[1]
        mean = values.mean(1)
        distance = mean - self.mean
        total = self.count + count
        self.squares += (values - mean[:, None]).square().sum(1) + distance.square() * (self.count * count / total)
        self.mean += distance * (count / total)
        self.count = total

    def moments(self) -> tuple[Tensor, Tensor]:
        """Means and unbiased variances, like running statistics."""
        return self.mean, self.squares / max(self.count - 1, 1)
