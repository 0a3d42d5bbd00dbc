"""The arithmetic of structural similarity."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.metrics.accumulators import WIDE

_GAUSSIAN = [math.exp(-(offset**2) / (2 * 1.5**2)) for offset in range(-5, 6)]
_WINDOW = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]


def structural_similarity(fake: Tensor, real: Tensor) -> Tensor:
    """The structural similarity index of every image of a batch (Wang et al. 2004, equation 13).

    In float64 where there is one, since the variance of a flat region is a small difference of two means. torchmetrics
    clamps it at 0 but not the covariance, so that equal images have less than 1, and its convolution rounds to TF32 or,
    under autocast, to 16 bits.

    Args:
        fake: (N, C, H, W) floats in [0, 1], with sides of 6 pixels or more.
        real: the same.

    Returns:
        (N,) float32, means over pixels and channels.
    """
    x, y = (F.pad(image.to(WIDE), [5] * 4, mode="reflect") for image in (fake, real))
    moments = _blurred(_blurred(torch.stack([x, y, x * x, y * y, x * y]), dim=-2), dim=-1)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = moments
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = mean_xy - product, mean_xx + mean_yy - squares
    c1, c2 = 0.01**2, 0.03**2
    index = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return index.mean((1, 2, 3)).float()


def _blurred(images: Tensor, dim: int) -> Tensor:
    size = images.shape[dim] - len(_WINDOW) + 1
    result = images.narrow(dim, 0, size) * _WINDOW[0]
    for offset, weight in enumerate(_WINDOW[1:], start=1):
        result.add_(images.narrow(dim, offset, size), alpha=weight)
    return result
