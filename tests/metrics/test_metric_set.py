"""l1, psnr and ssim."""

import math

import numpy as np
import pytest
import torch

from pix2pix_lit.metrics import METRICS
from pix2pix_lit.metrics.metric_set import MetricSet, score


def images(count: int, seed: int, size: tuple[int, int] = (24, 30)) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pairs(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Real images and fakes of which each is worse than the one before."""
    real = images(count, seed)
    amount = torch.linspace(0.05, 0.9, count).view(-1, 1, 1, 1)
    return (1 - amount) * real + amount * images(count, seed + 1), real


def l1_of(fake: np.ndarray, real: np.ndarray) -> float:
    return float(np.abs(fake - real).mean())


def psnr_of(fake: np.ndarray, real: np.ndarray) -> float:
    """With a peak of 2, the range of [-1, 1]."""
    return 10 * math.log10(2.0**2 / ((fake - real) ** 2).mean())


def ssim_of(fake: np.ndarray, real: np.ndarray) -> float:
    """Equation 13 of Wang et al. 2004 in the 11x11 window around every pixel, borders continued by reflection."""
    offsets = np.arange(11) - 5
    gaussian = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(gaussian, gaussian) / gaussian.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    fake, real = (fake + 1) / 2, (real + 1) / 2

    def mean(image: np.ndarray) -> np.ndarray:
        continued = np.pad(image, [(0, 0), (5, 5), (5, 5)], mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(continued, (11, 11), axis=(1, 2))
        return np.einsum("chwij,ij->chw", windows, weights)

    mu_x, mu_y = mean(fake), mean(real)
    var_x, var_y = mean(fake**2) - mu_x**2, mean(real**2) - mu_y**2
    covariance = mean(fake * real) - mu_x * mu_y
    ssim = (2 * mu_x * mu_y + c1) * (2 * covariance + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return float(ssim.mean())


DEFINITIONS = {"l1": l1_of, "psnr": psnr_of, "ssim": ssim_of}


def mean_over_images(name: str, fake: torch.Tensor, real: torch.Tensor) -> float:
    pairs_of_arrays = zip(fake.double().numpy(), real.double().numpy(), strict=True)
    return float(np.mean([DEFINITIONS[name](*pair) for pair in pairs_of_arrays]))


def computed(metrics: MetricSet) -> dict[str, float]:
    return {name: metric.compute().item() for name, metric in metrics.named().items()}


def test_the_metrics_are_l1_psnr_and_ssim_where_none_are_chosen():
    assert list(MetricSet().named()) == ["l1", "psnr", "ssim"]


def test_only_chosen_metrics_are_measured():
    metrics = MetricSet([METRICS["psnr"]()])
    fake, real = pairs(2)
    metrics.update(fake, real)
    assert computed(metrics) == {"psnr": pytest.approx(mean_over_images("psnr", fake, real), rel=1e-4)}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_score_of_one_batch_is_the_mean_over_its_images(name):
    fake, real = pairs(3)
    assert score(METRICS[name](), fake, real) == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)


def test_the_ssim_of_equal_images_is_exactly_1_also_in_flat_regions():
    levels = torch.tensor([-1.0, -0.3, 0.7, 1.0]).view(-1, 1, 1, 1)
    flat = levels.expand(4, 3, 32, 32).clone()
    flat[:, :, 20:, :] += 2 / 255 * torch.rand(4, 3, 12, 32, generator=torch.Generator().manual_seed(0))
    metrics = MetricSet()
    metrics.update(flat, flat)
    assert computed(metrics)["ssim"] == 1.0
    assert [score(METRICS["ssim"](), image[None], image[None]) for image in flat] == [1.0] * 4


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_metric_is_the_mean_over_images_of_its_definition(name):
    fake, real = pairs(5)
    metrics = MetricSet()
    metrics.update(fake, real)
    assert computed(metrics)[name] == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_image_counts_once_however_the_batches_are_cut(name):
    fake, real = pairs(7)
    metrics = MetricSet()
    for start, stop in ((0, 4), (4, 5), (5, 7)):
        metrics.update(fake[start:stop], real[start:stop])
    assert computed(metrics)[name] == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)


def test_known_values():
    real = torch.zeros(1, 3, 16, 16)
    metrics = MetricSet()
    metrics.update(real + 0.2, real)
    assert computed(metrics)["l1"] == pytest.approx(0.2)
    assert computed(metrics)["psnr"] == pytest.approx(20.0, abs=1e-4)  # 0.1 of the peak: 20 dB
    # Flat images have no variance; what is left is the luminance term of 0.6 and 0.5.
    assert computed(metrics)["ssim"] == pytest.approx((2 * 0.6 * 0.5 + 1e-4) / (0.6**2 + 0.5**2 + 1e-4), abs=1e-4)


def test_a_perfect_translation_has_the_best_values():
    real = images(2, 0)
    metrics = MetricSet()
    metrics.update(real, real)
    assert computed(metrics) == {"l1": 0.0, "psnr": math.inf, "ssim": pytest.approx(1.0)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_fakes_are_scored_in_full_precision(dtype):
    fake, real = pairs(3)
    fake = fake.to(dtype)
    metrics = MetricSet()
    metrics.update(fake, real)
    for name in DEFINITIONS:
        assert computed(metrics)[name] == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)


def test_a_training_in_mixed_precision_is_scored_in_full_precision():
    fake, real = (torch.nn.functional.avg_pool2d(image, 5, 1, 2) for image in pairs(3))
    metrics = MetricSet()
    with torch.autocast("cpu", torch.bfloat16):
        metrics.update(fake, real)
    for name in DEFINITIONS:
        assert computed(metrics)[name] == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)


def test_memory_layout_does_not_matter():
    fake, real = pairs(3)
    plain, channels_last = MetricSet(), MetricSet()
    plain.update(fake, real)
    channels_last.update(fake.to(memory_format=torch.channels_last), real)
    assert computed(channels_last) == pytest.approx(computed(plain))


def test_images_given_are_left_as_they_were():
    fake, real = pairs(2)
    copies = fake.clone(), real.clone()
    MetricSet().update(fake, real)
    assert torch.equal(fake, copies[0])
    assert torch.equal(real, copies[1])


def test_metrics_start_anew_after_reset():
    metrics = MetricSet()
    metrics.update(*pairs(3, seed=8))
    for metric in metrics.named().values():
        metric.reset()
    fake, real = pairs(2)
    metrics.update(fake, real)
    for name in DEFINITIONS:
        assert computed(metrics)[name] == pytest.approx(mean_over_images(name, fake, real), rel=1e-4)
