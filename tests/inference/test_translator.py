"""From an image to its translation."""

import numpy as np
import pytest
import torch
from torch import nn

from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator

NORMS = [("batch", "per_image"), ("batch", "running"), ("instance", "per_image"), ("none", "per_image")]


def make(network: str, norm: str = "batch", norm_inference: str = "per_image") -> nn.Module:
    """A generator with dropout whose weights give outputs of all levels."""
    torch.manual_seed(0)
    if network == "unet":
        options = {"width": 4, "depth": 3, "dropout": 0.5, "dropout_blocks": (0, 1)}
        generator = UNetGenerator(norm=norm, norm_inference=norm_inference, **options)
    else:
        generator = ResNetGenerator(width=4, blocks=2, dropout=0.5, norm=norm, norm_inference=norm_inference)
    if norm == "none":
        for parameter in generator.parameters():
            parameter.data *= 3.0
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return generator


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


class Echo(nn.Module):
    """Gives back what it gets, and notes it."""

    def __init__(self, size_multiple: int) -> None:
        super().__init__()
        self.size_multiple = self.smallest_side = size_multiple
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return x * self.scale


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (8, 8), (16, 24), (17, 8), (37, 70)])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_a_unet_translates_images_of_any_size(norm, size):
    translations = Translator(make("unet", norm))(noise(2, 3, *size))
    assert translations.shape == (2, 3, *size)
    assert translations.dtype == torch.uint8


@pytest.mark.parametrize("size", [(1, 1), (4, 9), (5, 5), (8, 8), (17, 8), (37, 70)])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_a_resnet_translates_images_of_any_size(norm, size):
    assert Translator(make("resnet", norm))(noise(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("multiple", [4, 8, 16])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 16), (37, 70)])
def test_images_are_padded_right_and_below_by_reflection(size, multiple):
    echo = Echo(multiple)
    images = noise(2, 3, *size)
    translations = Translator(echo)(images)
    missing = [(0, -side % multiple) for side in size]
    expected = np.pad(images.numpy(), [(0, 0), (0, 0), *missing], mode="reflect")
    assert torch.equal(RGB.from_network(echo.seen), torch.from_numpy(expected))
    assert torch.equal(translations, images)


def test_an_image_of_fitting_size_goes_in_as_it_is():
    generator = make("unet").eval()
    images = noise(2, 3, 16, 24)
    with torch.no_grad():
        expected = RGB.from_network(generator(RGB.to_network(images)))
    assert torch.equal(Translator(generator)(images), expected)


@pytest.mark.parametrize("network", ["unet", "resnet"])
@pytest.mark.parametrize(("norm", "norm_inference"), NORMS)
def test_a_translation_does_not_depend_on_its_batch(network, norm, norm_inference):
    translator = Translator(make(network, norm, norm_inference).train())
    images = noise(5, 3, 21, 30)
    images[1] //= 8  # a dark neighbour, whose statistics differ
    together = translator(images).int()
    assert together.float().std() > 2
    for i in range(5):
        alone = translator(images[i : i + 1])[0].int()
        assert (alone - together[i]).abs().max() <= 1


@pytest.mark.parametrize("network", ["unet", "resnet"])
@pytest.mark.parametrize(("norm", "norm_inference"), NORMS)
def test_a_generators_output_does_not_depend_on_the_batch(network, norm, norm_inference):
    generator = make(network, norm, norm_inference).eval()
    images = RGB.to_network(noise(5, 3, 16, 24))
    with torch.inference_mode():
        together = generator(images)
        alone = torch.cat([generator(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", ["unet", "resnet"])
def test_dropout_is_off_even_if_the_generator_was_left_in_train_mode(network):
    generator = make(network).train()
    with torch.no_grad():
        assert not torch.equal(
            generator(RGB.to_network(noise(1, 3, 16, 16))), generator(RGB.to_network(noise(1, 3, 16, 16)))
        )
    translator = Translator(generator)
    assert torch.equal(translator(noise(1, 3, 16, 16)), translator(noise(1, 3, 16, 16)))


def test_running_statistics_are_left_alone():
    generator = make("unet").train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    Translator(generator)(noise(2, 3, 16, 16))
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("training", [True, False])
def test_the_generators_mode_comes_back(training):
    generator = make("unet").train(training)
    Translator(generator)(noise(1, 3, 8, 8))
    assert {module.training for module in generator.modules()} == {training}


def test_the_modes_of_the_generators_parts_come_back():
    generator = make("unet").train()
    generator.encoder[1].norm.eval()
    before = [module.training for module in generator.modules()]
    Translator(generator)(noise(1, 3, 8, 8))
    assert [module.training for module in generator.modules()] == before


def test_images_of_another_type_are_seen_and_painted_as_what_they_are():
    labels, depth = ImageType(kind="ids", channels=1, classes=3), ImageType(channels=1, dtype="uint16", range=[0, 4000])
    generator = UNetGenerator(in_channels=3, out_channels=1, width=4, depth=3, dropout_blocks=())
    ids = noise(2, 1, 9, 14) % 3
    painted = Translator(generator, labels, depth)(ids)
    assert (painted.shape, painted.dtype) == ((2, 1, 9, 14), torch.uint16)
    assert 0 < painted.to(torch.int32).max() <= 4000
    generator = UNetGenerator(in_channels=1, out_channels=3, width=4, depth=3, dropout_blocks=())
    classes = Translator(generator, depth, labels)(painted)
    assert (classes.shape, classes.dtype) == ((2, 1, 9, 14), torch.uint8)
    assert set(classes.unique().tolist()) <= {0, 1, 2}


def test_the_generators_mode_comes_back_after_an_error():
    generator = make("unet").train()

    def fail(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    generator.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        Translator(generator)(noise(1, 3, 8, 8))
    assert generator.training


def test_a_loaded_checkpoint_translates_as_its_generator(tmp_path):
    generator = make("unet", "batch", "running")
    spec = {
        "_target_": "pix2pix_lit.networks.UNetGenerator",
        "width": 4,
        "depth": 3,
        "dropout_blocks": [0, 1],
        "norm_inference": "running",
    }
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    stored = {"generator": spec, "input": RGB.as_dict(), "target": RGB.as_dict()}
    torch.save({"hyper_parameters": stored, "state_dict": weights}, tmp_path / "x.ckpt")
    loaded = Translator.load(tmp_path / "x.ckpt")
    assert torch.equal(loaded(noise(2, 3, 9, 14)), Translator(generator)(noise(2, 3, 9, 14)))
