"""Distances of the distributions of features of two sets of images."""

import math

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.distributed import gathered
from pix2pix_lit.metrics.accumulators import WIDE
from pix2pix_lit.networks.pretrained import make_constant

_BLOCK = 1024
"""Rows of a matrix of kernels that are computed at once."""


class DistributionDistance(Metric):
    """Distance of the features of fakes from those of as many real images.

    Args:
        features: a network, (N, C, H, W) float32 images in [-1, 1] -> (N, ``count``); it stays in eval mode and is not
            stored.
    """

    def __init__(self, features: nn.Module, **options: bool) -> None:
        super().__init__(**options)
        make_constant(features)
        self.features = features

    def train(self, mode: bool = True) -> "DistributionDistance":
        """Stay in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def features_of(self, images: Tensor) -> Tensor:
        """(N, C, H, W) floats in [-1, 1] -> (N, ``count``) of ``WIDE``."""
        with torch.autocast(images.device.type, enabled=False):
            return self.features(images.float().contiguous()).to(WIDE)


class KernelDistance(DistributionDistance):
    """Squared maximum mean discrepancy with a polynomial kernel of all images: KID (Bińkowski et al. 2018, section 4).

    Unbiased for sets that are drawn independently, hence sometimes negative. torchmetrics' is a mean over random
    subsets, drawn without a seed, and its states cannot be gathered from processes with unequal numbers of images.
    """

    fakes: list[Tensor]
    reals: list[Tensor]

    def __init__(self, features: nn.Module) -> None:
        super().__init__(features, sync_on_compute=False)  # compute() gathers
        self.add_state("fakes", [], dist_reduce_fx=None)
        self.add_state("reals", [], dist_reduce_fx=None)

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, C, H, W) floats in [-1, 1]."""
        self.fakes.append(self.features_of(fake).cpu())
        self.reals.append(self.features_of(real).cpu())

    def compute(self) -> Tensor:
        """The distance; NaN for fewer than two images."""
        return self.with_error()[0]

    def with_error(self) -> tuple[Tensor, Tensor]:
        """The distance and its standard error; a call of all processes."""
        fakes, reals = self._gathered()
        if len(fakes) < 2:
            return torch.tensor(math.nan), torch.tensor(math.nan)
        return kernel_distance(fakes, reals)

    def _gathered(self) -> tuple[Tensor, Tensor]:
        parts = gathered((self.fakes, self.reals))
        empty = torch.zeros(0, 1, dtype=WIDE)
        fakes, reals = ([rows for part in parts for rows in part[which]] for which in (0, 1))
        return torch.cat(fakes) if fakes else empty, torch.cat(reals) if reals else empty


def kernel_distance(fakes: Tensor, reals: Tensor) -> tuple[Tensor, Tensor]:
    """Unbiased estimate of the squared maximum mean discrepancy, and its standard error.

    The kernel is (x·y / d + 1)^3. The error is the leading term of the variance of a U-statistic, from the influence
    that every pair has (Gretton et al. 2012, section 6).

    Args:
        fakes: (N, d) of at least two images.
        reals: (N, d).
    """
    n = len(fakes)
    of_fakes, of_reals = _kernel_sums(fakes, fakes), _kernel_sums(reals, reals)
    across, back = _kernel_sums(fakes, reals), _kernel_sums(reals, fakes)
    of_fakes, of_reals = of_fakes - _kernel_of_itself(fakes), of_reals - _kernel_of_itself(reals)
    distance = (of_fakes.sum() + of_reals.sum()) / (n * (n - 1)) - 2 * across.sum() / n**2
    influence = (of_fakes + of_reals) / (n - 1) - (across + back) / n
    return distance, 2 * influence.std() / math.sqrt(n)


def _kernel_sums(x: Tensor, y: Tensor) -> Tensor:
    """(N, d), (M, d) -> (N,): the sum over y of the kernel with every x."""
    return torch.cat([((rows @ y.T / x.shape[1] + 1) ** 3).sum(1) for rows in x.split(_BLOCK)])


def _kernel_of_itself(x: Tensor) -> Tensor:
    return (x.square().mean(1) + 1) ** 3


class FrechetDistance(DistributionDistance):
    """Fréchet distance of two normal distributions with the moments of the features: FID (Heusel et al. 2017).

    All states are sums. Beside the number, state ``count`` and the distance of as many real images from other real
    ones: two samples of one normal distribution of 256 dimensions have 67 with 500 images and 11 with 2975.
    """

    count: Tensor

    def __init__(self, features: nn.Module) -> None:
        super().__init__(features)
        d = features.count
        assert isinstance(d, int)
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        for name in ("fake", "real"):
            self.add_state(f"{name}_sum", torch.zeros(d, dtype=WIDE), dist_reduce_fx="sum")
            self.add_state(f"{name}_products", torch.zeros(d, d, dtype=WIDE), dist_reduce_fx="sum")

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, C, H, W) floats in [-1, 1]."""
        self.count += len(fake)
        for name, images in (("fake", fake), ("real", real)):
            features = self.features_of(images)
            getattr(self, f"{name}_sum").add_(features.sum(0))
            getattr(self, f"{name}_products").addmm_(features.T, features)

    def compute(self) -> Tensor:
        """The distance; NaN for fewer than two images."""
        if self.count < 2:
            return torch.tensor(math.nan)
        moments = []
        for name in ("fake", "real"):
            mean = getattr(self, f"{name}_sum") / self.count
            products = getattr(self, f"{name}_products") - self.count * mean.outer(mean)
            moments += [mean.cpu(), (products / (self.count - 1)).cpu()]
        return frechet_distance(*moments)


def frechet_distance(mean_x: Tensor, covariance_x: Tensor, mean_y: Tensor, covariance_y: Tensor) -> Tensor:
    """Squared Fréchet distance of two normal distributions (Dowson & Landau 1982): (d,), (d, d), twice -> a scalar."""
    # The trace of the root of a product of covariances, by matrices that stay symmetric.
    values, vectors = torch.linalg.eigh(covariance_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    roots = torch.linalg.eigvalsh(root @ covariance_y @ root).clamp(min=0).sqrt()
    return (mean_x - mean_y).square().sum() + covariance_x.trace() + covariance_y.trace() - 2 * roots.sum()
