"""Images in, translated images and contact sheets out."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.images import read_image, write_image
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import UNetGenerator
from pix2pix_lit.predict import predict
from pix2pix_lit.sheet import draw_sheet


def save_checkpoint(tmp_path: Path, input: ImageType = RGB, target: ImageType = RGB) -> Path:
    torch.manual_seed(0)
    spec = {"width": 4, "depth": 3, "dropout_blocks": [0]}
    generator = UNetGenerator(in_channels=input.network_channels, out_channels=target.network_channels, **spec)
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    hyper_parameters = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    hyper_parameters |= {"input": input.as_dict(), "target": target.as_dict()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path)


def config_of(tmp_path: Path, **changes) -> DictConfig:
    defaults = {
        "ckpt": f"{tmp_path}/x.ckpt",
        "input": f"{tmp_path}/in",
        "output": f"{tmp_path}/out",
        "suffix": None,
        "half": None,
        "sheets": False,
        "batch_size": 4,
        "num_workers": 0,
        "device": "cpu",
    }
    return OmegaConf.create({**defaults, **changes})


def write_inputs(tmp_path: Path, sizes: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    images = {}
    for seed, (name, size) in enumerate(sizes.items()):
        images[name] = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
        write_image(tmp_path / "in" / name, images[name])
    return images


def translate(checkpoint: Path, image: np.ndarray) -> np.ndarray:
    images = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    return Translator.load(checkpoint)(images)[0].permute(1, 2, 0).numpy()


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_image_is_translated_under_its_own_name(tmp_path, checkpoint, caplog):
    images = write_inputs(tmp_path, {"a.png": (9, 14), "sub/b.png": (16, 8), "sub/c d.bmp": (9, 14)})
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == sorted(images)
    for name, image in images.items():
        translation = read_image(tmp_path / "out" / name).astype(int)
        assert np.abs(translation - translate(checkpoint, image)).max() <= 1
    assert "3 of 3 images translated" in caplog.text


def test_a_half_is_translated_and_the_sheet_shows_the_other_as_target(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (12, 40), "b.png": (12, 40)})
    predict(config_of(tmp_path, half="right", sheets=True))
    assert files_below(tmp_path / "out") == ["a.png", "b.png", "sheets/sheet_0001.png"]
    generated = [read_image(tmp_path / "out" / name) for name in images]
    expected = {
        "input": [image[:, 20:] for image in images.values()],
        "generated": generated,
        "target": [image[:, :20] for image in images.values()],
    }
    assert np.abs(generated[0].astype(int) - translate(checkpoint, images["a.png"][:, 20:])).max() <= 1
    np.testing.assert_array_equal(read_image(tmp_path / "out/sheets/sheet_0001.png"), draw_sheet(expected))


def test_a_sheet_of_whole_images_has_no_target(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (30, 40)})
    predict(config_of(tmp_path, sheets=True))
    expected = {"input": [images["a.png"]], "generated": [read_image(tmp_path / "out/a.png")]}
    np.testing.assert_array_equal(read_image(tmp_path / "out/sheets/sheet_0001.png"), draw_sheet(expected))


DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])
CLASSES = ImageType(kind="ids", channels=1, classes=5, values=[0, 50, 100, 150, 200])


def test_a_sixteen_bit_target_comes_out_as_a_sixteen_bit_file(tmp_path):
    checkpoint = save_checkpoint(tmp_path, RGB, DEPTH)
    images = write_inputs(tmp_path, {"a.png": (9, 14), "b.jpg": (9, 14), "c.tif": (9, 14)})
    predict(config_of(tmp_path, sheets=True))
    assert files_below(tmp_path / "out") == ["a.png", "b.png", "c.tif", "sheets/sheet_0001.png"]
    for name in ("a.png", "c.tif"):
        depth = read_image(tmp_path / "out" / name, DEPTH)
        assert (depth.shape, depth.dtype) == ((9, 14, 1), np.uint16)
        assert depth.max() > 255
        assert np.abs(depth.astype(int) - translate(checkpoint, images[name])).max() <= 4  # a thousandth of the range
    with Image.open(tmp_path / "out/a.png") as file:
        assert file.mode == "I;16"


def test_class_numbers_are_read_by_their_values_and_painted_by_theirs(tmp_path):
    checkpoint = save_checkpoint(tmp_path, CLASSES, CLASSES)
    ids = np.random.default_rng(0).integers(0, 5, (9, 14, 1)).astype(np.uint8)
    write_image(tmp_path / "in/a.png", ids * 50)
    write_image(tmp_path / "in/b.png", ids * 50 + 1)
    with pytest.raises(UserError, match=r"1 of 2 files were left out:\n.*b\.png"):
        predict(config_of(tmp_path, sheets=True))
    painted = read_image(tmp_path / "out/a.png", CLASSES)
    np.testing.assert_array_equal(painted, translate(checkpoint, ids))


def test_an_ending_that_cannot_hold_the_translations_is_refused(tmp_path):
    save_checkpoint(tmp_path, RGB, DEPTH)
    write_inputs(tmp_path, {"a.png": (9, 14)})
    with pytest.raises(UserError, match=r"suffix is '\.jpg'.*1 channels of uint16.*expected \.png"):
        predict(config_of(tmp_path, suffix=".jpg"))


@pytest.mark.usefixtures("checkpoint")
def test_damaged_files_are_named_at_the_end_and_all_others_translated(tmp_path):
    write_inputs(tmp_path, {"a.png": (8, 8), "b.png": (8, 8), "c.png": (8, 8)})
    (tmp_path / "in/b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^1 of 3 files were left out:\n  .*in/b\.png cannot be read"):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == ["a.png", "c.png"]


@pytest.mark.parametrize("key", ["ckpt", "input", "output"])
def test_a_key_that_is_not_set_is_named(tmp_path, key):
    with pytest.raises(UserError, match=rf"^{key} is not set; expected: python predict\.py"):
        predict(config_of(tmp_path, **{key: None}))
