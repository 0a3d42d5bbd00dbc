"""Translation of images in any form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
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
    """Returns its input, and records it."""

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
def test_the_generators_mode_is_restored(training):
    generator = make("unet").train(training)
    Translator(generator)(noise(1, 3, 8, 8))
    assert {module.training for module in generator.modules()} == {training}


def test_the_modes_of_the_generators_parts_are_restored():
    generator = make("unet").train()
    generator.encoder[1].norm.eval()
    before = [module.training for module in generator.modules()]
    Translator(generator)(noise(1, 3, 8, 8))
    assert [module.training for module in generator.modules()] == before


def test_images_of_other_types_are_read_and_generated_as_their_type():
    labels, depth = ImageType(kind="ids", channels=1, classes=3), ImageType(channels=1, dtype="uint16", range=[0, 4000])
    generator = UNetGenerator(in_channels=3, out_channels=1, width=4, depth=3, dropout_blocks=())
    ids = noise(2, 1, 9, 14) % 3
    generated = Translator(generator, labels, depth)(ids)
    assert (generated.shape, generated.dtype) == ((2, 1, 9, 14), torch.uint16)
    assert 0 < generated.to(torch.int32).max() <= 4000
    generator = UNetGenerator(in_channels=1, out_channels=3, width=4, depth=3, dropout_blocks=())
    classes = Translator(generator, depth, labels)(generated)
    assert (classes.shape, classes.dtype) == ((2, 1, 9, 14), torch.uint8)
    assert set(classes.unique().tolist()) <= {0, 1, 2}


def test_the_generators_mode_is_restored_after_an_error():
    generator = make("unet").train()

    def fail(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    generator.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        Translator(generator)(noise(1, 3, 8, 8))
    assert generator.training


def save(generator: nn.Module, path: Path, norm: str = "batch") -> None:
    """A checkpoint of ``make("unet", norm, "running")``."""
    spec = {
        "_target_": "pix2pix_lit.networks.UNetGenerator",
        "width": 4,
        "depth": 3,
        "dropout_blocks": [0, 1],
        "norm": norm,
        "norm_inference": "running",
    }
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    stored = {"generator": spec, "input": RGB.as_dict(), "target": RGB.as_dict()}
    torch.save({"hyper_parameters": stored, "state_dict": weights}, path)


def test_a_loaded_checkpoint_translates_as_its_generator(tmp_path):
    generator = make("unet", "batch", "running")
    save(generator, tmp_path / "x.ckpt")
    loaded = Translator.load(tmp_path / "x.ckpt")
    difference = loaded(noise(2, 3, 9, 14)).int() - Translator(generator)(noise(2, 3, 9, 14)).int()
    assert difference.abs().max() <= 1  # the memory format differs


IDS = ImageType(kind="ids", channels=1, classes=3, values=[0, 50, 100])
DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])


def arrays(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_arrays_tensors_and_images_of_pillow_give_the_same_pixels_each_in_its_own_form():
    translator = Translator(make("unet"))
    image = arrays(21, 30, 3)
    expected = translator(image)
    assert (expected.shape, expected.dtype) == ((21, 30, 3), np.uint8)
    assert torch.equal(
        translator(torch.from_numpy(image).permute(2, 0, 1)), torch.from_numpy(expected).permute(2, 0, 1)
    )
    generated = translator(Image.fromarray(image))
    assert (generated.mode, generated.size) == ("RGB", (30, 21))
    np.testing.assert_array_equal(np.asarray(generated), expected)
    assert np.abs(translator(image[None].repeat(2, 0)).astype(int) - expected).max() <= 1


def test_a_list_may_mix_forms_and_sizes():
    translator = Translator(make("unet"))
    image = arrays(21, 30, 3)
    generated = translator([image, Image.fromarray(image[:9]), torch.from_numpy(image[:, :8].copy()).permute(2, 0, 1)])
    assert [type(item) for item in generated] == [np.ndarray, Image.Image, torch.Tensor]
    np.testing.assert_array_equal(generated[0], translator(image))
    assert generated[1].size == (30, 9)
    assert generated[2].shape == (3, 21, 8)


def test_views_that_are_not_contiguous_or_writable_are_taken_as_they_look():
    translator = Translator(make("unet"))
    image = arrays(21, 30, 3)
    expected = translator(np.ascontiguousarray(image[::-1, ::2]))
    read_only = image[::-1, ::2]
    read_only.flags.writeable = False
    np.testing.assert_array_equal(translator(read_only), expected)


def test_gray_images_need_no_channel():
    generator = UNetGenerator(in_channels=1, out_channels=1, width=4, depth=3, dropout_blocks=())
    translator = Translator(generator, DEPTH, ImageType(channels=1))
    depth = (arrays(9, 14).astype(np.uint16)) * 15
    generated = translator(depth)
    assert (generated.shape, generated.dtype) == ((9, 14, 1), np.uint8)
    np.testing.assert_array_equal(generated, translator(depth[..., None]))
    assert translator(Image.fromarray(depth)).mode == "L"


def test_pillow_gets_class_values_and_sixteen_bits():
    classes = Translator(UNetGenerator(3, 3, width=4, depth=3, dropout_blocks=()), RGB, IDS)
    generated = classes(Image.fromarray(arrays(9, 14, 3)))
    assert set(np.unique(np.asarray(generated))) <= {0, 50, 100}
    depth = Translator(UNetGenerator(3, 1, width=4, depth=3, dropout_blocks=()), RGB, DEPTH)
    assert np.asarray(depth(Image.fromarray(arrays(9, 14, 3)))).dtype == np.uint16
    five = Translator(UNetGenerator(3, 5, width=4, depth=3, dropout_blocks=()), RGB, ImageType(channels=5))
    with pytest.raises(UserError, match="generates 5 channels of uint8, for which Pillow has no mode"):
        five(Image.fromarray(arrays(9, 14, 3)))


def test_instance_numbers_become_instance_edges_as_in_training():
    labels = ImageType(kind="ids", channels=1, classes=3, instance_edges=True)
    translator = Translator(UNetGenerator(4, 3, width=4, depth=3, dropout_blocks=()), labels, RGB)
    stored = np.stack([arrays(9, 14) % 3, arrays(9, 14)], -1).astype(np.uint16)
    np.testing.assert_array_equal(translator(stored), translator(labels.finish(stored)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (arrays(9, 14), r"array of shape \(9, 14\); expected \(H, W, 3\) or \(N, H, W, 3\)"),
        (arrays(3, 9, 14), r"array of shape \(3, 9, 14\)"),
        (arrays(9, 14, 3).astype(np.float32), "dtype float32; expected uint8 from 0 to 255.*to the network itself"),
        (arrays(9, 14, 3).astype(np.uint16), "dtype uint16; expected uint8"),
        (torch.zeros(9, 14, 3, dtype=torch.uint8), r"tensor of shape \(9, 14, 3\); expected \(N, 3, H, W\)"),
        (torch.zeros(3, 9, 14), "dtype float32; expected uint8"),
        ("photo.png", "of type str; expected a NumPy array, a torch tensor"),
    ],
)
def test_inputs_that_the_network_does_not_take_are_refused(images, message):
    with pytest.raises(UserError, match=message):
        Translator(make("unet"))(images)


def test_samples_differ_in_their_dropout_alone_and_depend_on_the_seed():
    translator = Translator(make("unet"))
    image = noise(3, 21, 30)
    found = translator.sample(image, samples=6, seed=3)
    assert found.samples.shape == (6, 3, 21, 30)
    assert len({sample.numpy().tobytes() for sample in found.samples}) == 6
    again = translator.sample(image, samples=3, seed=3)
    assert torch.equal(again.samples, found.samples[:3])
    assert not torch.equal(translator.sample(image, samples=3, seed=4).samples, again.samples)
    # The state of chance outside is as it was, and so is inference without noise.
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    translator.sample(image, samples=1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(translator(image), translator(image))


def test_mean_and_deviation_are_those_of_the_samples():
    translator = Translator(make("unet"))
    found = translator.sample(noise(3, 21, 30), samples=8)
    samples = found.samples.double()
    assert (found.mean.double() - samples.mean(0)).abs().max() <= 1  # gray levels: samples are rounded
    expected = samples.std(0, correction=0).mean(0) / 127.5
    assert found.deviation.shape == (21, 30)
    assert found.deviation.mean() > 0.01
    torch.testing.assert_close(found.deviation.double(), expected, rtol=0, atol=1 / 127)


def test_without_dropout_there_are_no_samples():
    generator = UNetGenerator(width=4, depth=3, dropout=0.0, dropout_blocks=())
    with pytest.raises(UserError, match="the generator has no dropout, so all samples would be equal"):
        Translator(generator).sample(noise(3, 8, 8), samples=2)
    with pytest.raises(UserError, match="samples is 0; expected a whole number, 1 or more"):
        Translator(make("unet")).sample(noise(3, 8, 8), samples=0)


def test_more_bits_are_finer_steps_of_the_same_picture():
    translator = Translator(make("unet"))
    image = arrays(21, 30, 3)
    eight, sixteen, floats = (translator.with_bit_depth(bits)(image) for bits in (8, 16, 32))
    assert (eight.dtype, sixteen.dtype, floats.dtype) == (np.uint8, np.uint16, np.float32)
    np.testing.assert_array_equal(eight, floats.round().astype(np.uint8))
    assert np.abs(sixteen / 257 - floats).max() <= 0.5 / 257 + 1e-4
    assert len(np.unique(sixteen)) > 2 * len(np.unique(eight))
    with pytest.raises(UserError, match="bit_depth is 16 for numbers of 3 classes"):
        Translator(make("unet"), RGB, IDS).with_bit_depth(16)
    with pytest.raises(UserError, match="bit_depth is 12"):
        translator.with_bit_depth(12)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0), ("bf16", 12), ("fp16", 2)])
def test_another_precision_generates_nearly_the_same(tmp_path, precision, tolerance):
    save(make("unet", "batch", "running"), tmp_path / "x.ckpt")
    image = arrays(21, 30, 3)
    generated = Translator.load(tmp_path / "x.ckpt", precision=precision)(image)
    expected = Translator.load(tmp_path / "x.ckpt")(image)
    difference = np.abs(generated.astype(int) - expected).max()
    assert difference <= tolerance
    assert (difference > 0) == (precision != "fp32")


def test_another_inference_mode_than_the_stored_one_can_be_asked_for(tmp_path):
    save(make("unet", "batch", "running"), tmp_path / "x.ckpt")
    image = arrays(21, 30, 3)
    running, per_image = (Translator.load(tmp_path / "x.ckpt", norm_inference=m) for m in ("running", "per_image"))
    np.testing.assert_array_equal(running(image), Translator.load(tmp_path / "x.ckpt")(image))
    assert np.abs(per_image(image).astype(int) - running(image)).max() > 1
    assert (running.metadata.norm_inference, per_image.metadata.norm_inference) == ("running", "per_image")
    save(make("unet", "instance"), tmp_path / "y.ckpt", norm="instance")
    with pytest.raises(UserError, match="norm_inference is running, but .*y.ckpt holds a network with norm=instance"):
        Translator.load(tmp_path / "y.ckpt", norm_inference="running")


def test_an_unknown_precision_device_or_mode_is_refused(tmp_path):
    save(make("unet", "batch", "running"), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="precision is 'int8'; expected one of fp32, fp16, bf16"):
        Translator.load(tmp_path / "x.ckpt", precision="int8")
    with pytest.raises(UserError, match="device=abacus cannot be used here"):
        Translator.load(tmp_path / "x.ckpt", device="abacus")
    with pytest.raises(UserError, match="norm_inference is 'batch'"):
        Translator.load(tmp_path / "x.ckpt", norm_inference="batch")


def test_the_package_itself_has_the_translator():
    import pix2pix_lit

    assert pix2pix_lit.Translator is Translator
    with pytest.raises(AttributeError, match="no attribute 'Interpreter'"):
        _ = pix2pix_lit.Interpreter
