"""Images in, translated images and contact sheets out."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.errors import UserError
from pix2pix_lit.images import read_image, write_image
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import UNetGenerator
from pix2pix_lit.predict import predict
from pix2pix_lit.sheet import draw_sheet


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    spec = {"width": 4, "depth": 3, "dropout_blocks": [0]}
    weights = {f"generator.{name}": value for name, value in UNetGenerator(**spec).state_dict().items()}
    hyper_parameters = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


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
