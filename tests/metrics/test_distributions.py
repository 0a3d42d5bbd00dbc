"""KID and FID of known features, which images carry in their first pixels."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pix2pix_lit.metrics.distributions import FrechetDistance, KernelDistance, frechet_distance


class FirstPixels(nn.Module):
    """The first ``count`` values of an image."""

    def __init__(self, count):
        super().__init__()
        self.count = count
        self.weight = nn.Parameter(torch.ones(1))
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images):
        assert not self.training
        return images.flatten(1)[:, : self.count] * self.weight


def gaussian(count, dimensions, seed=0, mean=0.0, deviation=1.0):
    drawn = np.random.default_rng(seed).standard_normal((count, dimensions))
    return torch.from_numpy(mean + deviation * drawn).float()


def measured(kind, fakes, reals, batch=100):
    metric = kind(FirstPixels(fakes.shape[1]))
    for fake, real in zip(fakes.split(batch), reals.split(batch), strict=True):
        metric.update(fake[:, None, None], real[:, None, None])
    return metric.compute().item()


def kid_by_hand(x, y):
    """Bińkowski et al. 2018, equation 3, pair by pair."""

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    m = len(x)
    others = [(i, j) for i in range(m) for j in range(m) if i != j]
    within = sum(kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in others) / (m * (m - 1))
    return within - 2 * sum(kernel(a, b) for a in x for b in y) / m**2


def test_kid_equals_its_formula_however_the_batches_are_cut():
    fakes, reals = gaussian(9, 5, seed=1, mean=0.5), gaussian(9, 5, seed=2)
    expected = kid_by_hand(fakes.double().numpy(), reals.double().numpy())
    for batch in (1, 4, 9):
        assert measured(KernelDistance, fakes, reals, batch) == pytest.approx(expected, rel=1e-9)


def test_kid_is_unbiased_and_its_standard_error_is_the_spread_of_its_values():
    values, errors = [], []
    for seed in range(200):
        metric = KernelDistance(FirstPixels(4))
        metric.update(gaussian(40, 4, 2 * seed)[:, None, None], gaussian(40, 4, 2 * seed + 1, 0.5)[:, None, None])
        value, error = metric.with_error()
        values.append(value.item())
        errors.append(error.item())
    # For standard normal x, and y with every mean m: E k(x,x') = 1 + 3/d, E k(y,y') and E k(x,y) alike, in closed form.
    m, d = 0.5, 4

    def kernel_mean(a, b):  # E (x.y/d + 1)^3 for x ~ N(a, I), y ~ N(b, I), means along (1, ..., 1)
        p, q = a * b, a**2 + b**2  # per dimension: E x.y = d p, Var x.y = d (1 + q), third moment 6 d p
        mean, variance, third = p, (1 + q) / d, 6 * p / d**2
        return (1 + mean) ** 3 + 3 * (1 + mean) * variance + third

    expected = kernel_mean(0, 0) + kernel_mean(m, m) - 2 * kernel_mean(0, m)
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / math.sqrt(200))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_fid_of_normal_distributions_has_a_closed_form():
    drawn = gaussian(50, 2).double()
    drawn -= drawn.mean(0)
    drawn = drawn @ torch.linalg.inv(torch.linalg.cholesky(drawn.T.cov())).T  # of mean 0 and covariance 1, exactly
    found = measured(FrechetDistance, (1 + 2 * drawn).float(), drawn.float())
    assert found == pytest.approx(2 * (1.0**2 + (2.0 - 1.0) ** 2), rel=1e-5)
    identity = torch.eye(3, dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    assert frechet_distance(zero, identity, zero + 1, 4 * identity).item() == pytest.approx(3 + 3)


def test_fid_equals_numpys_moments_and_torchmetrics_formula():
    from torchmetrics.image.fid import _compute_fid

    fakes, reals = gaussian(30, 6, 3) @ gaussian(6, 6, 4), gaussian(30, 6, 5)
    moments = [
        torch.from_numpy(moment)
        for features in (fakes.double().numpy(), reals.double().numpy())
        for moment in (features.mean(0), np.cov(features.T))
    ]
    assert measured(FrechetDistance, fakes, reals, 7) == pytest.approx(_compute_fid(*moments).item(), rel=1e-6)


def test_fid_of_two_samples_of_one_distribution_is_bias_that_falls_with_their_size():
    few, more = (measured(FrechetDistance, gaussian(n, 256, 1), gaussian(n, 256, 2), n) for n in (500, 2975))
    assert few == pytest.approx(67, abs=2)
    assert more == pytest.approx(11, abs=1)


def test_equal_images_have_an_fid_of_0_and_a_kid_below_it():
    images = gaussian(12, 4)
    assert measured(FrechetDistance, images, images) == pytest.approx(0, abs=1e-6)
    assert measured(KernelDistance, images, images) < 0  # whose estimate takes them for independent


@pytest.mark.parametrize("kind", [KernelDistance, FrechetDistance])
def test_fewer_than_two_images_have_no_distance(kind):
    images = gaussian(1, 4)
    assert math.isnan(measured(kind, images, images))
    assert math.isnan(kind(FirstPixels(4)).compute().item())


@pytest.mark.parametrize("kind", [KernelDistance, FrechetDistance])
def test_the_network_is_constant_and_in_no_checkpoint(kind):
    metric = nn.ModuleDict({"metric": kind(FirstPixels(2))})
    metric.train()
    assert not any(module.training for module in metric["metric"].features.modules())
    assert metric.state_dict() == {}
    assert list(metric.parameters()) == []


@pytest.mark.parametrize("kind", [KernelDistance, FrechetDistance])
def test_a_reset_forgets_all_images(kind):
    metric = kind(FirstPixels(2))
    for mean in (3.0, 0.0):
        metric.reset()
        metric.update(gaussian(8, 2, 1, mean)[:, None, None], gaussian(8, 2, 2)[:, None, None])
    assert metric.compute().item() == pytest.approx(measured(kind, gaussian(8, 2, 1), gaussian(8, 2, 2)))


def test_features_are_computed_in_full_precision_in_mixed_precision():
    class Projection(FirstPixels):
        def forward(self, images):
            return images.flatten(1) @ torch.full((4, 2), 1 / 3)

    images = gaussian(6, 4)[:, None, None]
    with torch.autocast("cpu", torch.bfloat16):
        found = KernelDistance(Projection(2)).features_of(images)
    torch.testing.assert_close(found.float(), images.flatten(1) @ torch.full((4, 2), 1 / 3))
