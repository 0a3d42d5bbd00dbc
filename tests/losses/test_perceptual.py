"""The perceptual term, with random weights in files like torchvision's."""

import copy
import functools
import urllib.error

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity
from torchvision.models import alexnet, vgg19

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import PerceptualLoss

KINDS = {"vgg19": (vgg19, "vgg19-dcbb9e9d.pth"), "lpips": (alexnet, "alexnet-owt-7be5be79.pth")}
"""Torchvision's network and its name in torch's cache."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Laid out as torch's cache, with the convolutions of both networks."""
    cache = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.manual_seed(0)
    for build, name in KINDS.values():
        with torch.device("meta"):
            shapes = {f"features.{key}": value.shape for key, value in build().features.state_dict().items()}
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
        for value in state.values():
            value.normal_(0, (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1)  # keeps the signal's size
        state["more"] = torch.zeros(1)  # real files have more, which is ignored
        torch.save(state, cache / name)
    return cache


@pytest.fixture(scope="module")
def build(folder):
    """The term of each kind, read from its file once; copy it to change it."""

    @functools.cache
    def build_loss(kind):
        return PerceptualLoss(1.0, kind, str(folder / KINDS[kind][1]))

    return build_loss


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.rand(2, 2, 3, 32, 32) * 2 - 1


def vgg19_distance(state, fake, real):
    """Johnson et al. 2016 with pix2pixHD's layers and weights, from torchvision's layout of VGG-19."""
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = (torch.cat([fake, real]) / 2 + 0.5 - mean) / deviation
    total, index, weights = 0, 0, [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1]
    for convolutions in (2, 2, 4, 4, 1):
        for place in range(convolutions):
            x = F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1).relu()
            index += 2
            if place == 0:
                ours, theirs = x.chunk(2)
                total = total + weights.pop(0) * (ours - theirs).abs().mean()
        x = F.max_pool2d(x, 2)
        index += 1
    return total


def test_vgg19_equals_its_formula(build, folder, images):
    state = torch.load(folder / KINDS["vgg19"][1])
    torch.testing.assert_close(build("vgg19")(*images), vgg19_distance(state, *images), rtol=1e-4, atol=0)


def test_lpips_equals_torchmetrics(build, folder, images, monkeypatch):
    def features(net, pretrained):
        with torch.device("meta"):
            network = alexnet()
        network.load_state_dict(torch.load(folder / KINDS["lpips"][1]), strict=False, assign=True)
        return network.features

    monkeypatch.setattr("torchmetrics.functional.image.lpips._get_tv_model_features", features)
    expected = learned_perceptual_image_patch_similarity(*images, net_type="alex")
    assert expected > 0
    torch.testing.assert_close(build("lpips")(*images), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_fake_alone_and_point_towards_the_target(build, images, kind):
    loss = build(kind)
    fake, real = (image.clone().requires_grad_(True) for image in images)
    before = loss(fake, real)
    before.backward()
    assert real.grad is None
    step = 0.1 * before.detach() / fake.grad.square().sum()
    assert loss(fake.detach() - step * fake.grad, real).item() == pytest.approx(0.9 * before.item(), rel=0.05)
    assert loss(real, real).item() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_no_part_in_checkpoints_and_optimizers(build, kind):
    loss = build(kind)
    with_it = nn.ModuleDict({"network": nn.Conv2d(1, 1, 1), "perceptual": loss})
    without = nn.ModuleDict({"network": nn.Conv2d(1, 1, 1)})
    assert with_it.state_dict().keys() == without.state_dict().keys()
    with_it.load_state_dict(without.state_dict(), strict=True)
    assert list(loss.parameters()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_training_mode_and_copies_change_nothing(build, images, kind):
    loss = build(kind)
    expected = loss(*images)
    nn.Sequential(loss).train()
    assert not any(module.training for module in loss.modules())
    assert torch.equal(loss(*images), expected)
    assert torch.equal(copy.deepcopy(loss)(*images), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_all_tensors_follow_a_change_of_device(build, kind):
    moved = copy.deepcopy(build(kind)).to("meta")
    assert moved(*torch.rand(2, 1, 3, 32, 32, device="meta")).device.type == "meta"


@pytest.mark.parametrize("kind", KINDS)
def test_building_it_leaves_the_random_state_alone(folder, kind):
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    PerceptualLoss(1.0, kind, str(folder / KINDS[kind][1]))
    assert torch.equal(torch.rand(3), expected)


def test_gray_images_are_compared_as_rgb_and_others_refused(build, images):
    loss = build("lpips")
    gray = images[:, :, :1]
    assert torch.equal(loss(*gray), loss(*gray.expand(-1, -1, 3, -1, -1)))
    with pytest.raises(UserError, match="target has 2 channels;.* set model.perceptual.weight=0"):
        loss(*images[:, :, :2])


@pytest.mark.parametrize(("kind", "side"), [("vgg19", 16), ("lpips", 31)])
def test_images_from_the_smallest_side_on_are_compared_and_smaller_ones_refused(build, images, kind, side):
    loss = build(kind)
    assert loss(*images[..., :side, :side]) > 0
    with pytest.raises(UserError, match=f"images are 32x{side - 1} .* at least {side}x{side}"):
        loss(*images[..., : side - 1])


@pytest.mark.slow
def test_bfloat16_autocast_gives_nearly_the_same_and_float32(build, images):
    images = images[:, :1]  # 16 bits are slow on many CPUs
    for kind in KINDS:
        loss = build(kind)
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(images[0].bfloat16(), images[1])
        assert value.item() == pytest.approx(loss(*images).item(), rel=0.05)


def test_without_a_weight_no_file_is_asked_for(monkeypatch):
    monkeypatch.setattr("torch.hub.download_url_to_file", None)
    assert PerceptualLoss().weight == 0
    assert PerceptualLoss(weights="missing.pth").distance is None


def test_null_takes_torchvisions_download_from_torchs_cache(build, folder, images, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(folder.parent.parent))
    for kind in KINDS:
        assert torch.equal(PerceptualLoss(1.0, kind)(*images), build(kind)(*images))


def test_a_failed_download_says_what_to_set(monkeypatch, tmp_path):
    def fails(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", fails)
    with pytest.raises(UserError, match="from https://.*vgg19-.*no network.*set model.perceptual.weights=PATH"):
        PerceptualLoss(1.0, "vgg19")


def test_files_that_cannot_be_read_or_do_not_fit_are_refused(folder, tmp_path):
    alexnet_file = folder / KINDS["lpips"][1]
    damaged, code, tensors, moved = (tmp_path / name for name in ("damaged.pth", "code.pth", "list.pth", "moved.pth"))
    damaged.write_bytes(alexnet_file.read_bytes()[:1000])
    torch.save(nn.Conv2d(1, 1, 1), code)
    torch.save([torch.zeros(1)], tensors)
    torch.save({f"net.{key}": value for key, value in torch.load(alexnet_file).items()}, moved)
    for path, message in [
        (tmp_path / "missing.pth", "missing.pth, which is not a file"),
        (tmp_path, "which is not a file"),
        (damaged, "damaged.pth, which is damaged"),
        (code, "code.pth, which is damaged or holds more than tensors"),
        (tensors, "list.pth, which holds a list"),
        (moved, "features.0.weight is missing in .*moved.pth"),
        (folder / KINDS["vgg19"][1], r"features.0.weight is \(64, 3, 3, 3\) in .*; expected \(64, 3, 11, 11\)"),
    ]:
        with pytest.raises(UserError, match=f"model.perceptual.weights.*{message}"):
            PerceptualLoss(1.0, "lpips", str(path))


def test_an_unknown_kind_and_a_negative_weight_are_refused():
    with pytest.raises(UserError, match="perceptual.kind is 'vgg'"):
        PerceptualLoss(1.0, "vgg")
    with pytest.raises(UserError, match="perceptual.weight is -1"):
        PerceptualLoss(-1)
