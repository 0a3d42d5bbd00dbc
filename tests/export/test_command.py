"""The export command: what it refuses, what it leaves, and what it measures on images."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator

from ..exporting import SHALLOW, UNET, noise, run_export, save_checkpoint


@pytest.fixture
def run(tmp_path):
    """``run_export`` of ``x.ckpt`` into ``out``."""
    return partial(run_export, tmp_path / "x.ckpt", tmp_path / "out")


def write_images(tmp_path: Path, count: int) -> None:
    for i in range(count):
        smooth = np.linspace(i, 255 - i, 40 * 48 * 3).reshape(40, 48, 3)
        write_image(
            tmp_path / f"in/{i:02d}.png", (smooth + noise(RGB, 40, 48, seed=i) // 4).clip(0, 255).astype(np.uint8)
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ckpt": None}, "ckpt is not set; expected: pix2pix-lit export"),
        (
            {"format": "onnx", "precision": "bf16"},
            "precision is bf16 for format=onnx; expected one of fp32, fp16, int8",
        ),
        ({"format": "reference", "precision": "fp16"}, "precision is fp16 for format=reference; expected one of fp32"),
        ({"format": "safetensors", "embed_preprocessing": True}, "holds only weights; expected false"),
        ({"precision": "int8"}, "images is not set; precision=int8 measures on inputs"),
        ({"format": "checkpoint", "recalibrate": True}, "images is not set; recalibrate=true measures"),
        ({"format": "onnx", "output": "model.pt"}, "ends in '.pt'; expected .onnx"),
        ({"format": "checkpoint", "output": "x.ckpt"}, "output=x.ckpt would overwrite ckpt; expected another name"),
        (
            {"format": "checkpoint", "recalibrate": True, "images": "in", "norm_inference": "per_image"},
            "recalibrate is true and norm_inference per_image",
        ),
        ({"format": "onnx", "embed_preprocessing": "no"}, "embed_preprocessing is 'no'; expected true or false"),
        ({"format": "safetensors", "count": 0}, "count is 0; expected a whole number, 1 or more"),
        ({"format": "safetensors", "lpips": "resnet"}, "lpips is 'resnet'; expected squeeze, alex, vgg or null"),
        ({"format": "safetensors", "max_lpips": 0.1}, "max_lpips is set, but lpips is null"),
        ({"format": "safetensors", "images": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(tmp_path, run, settings, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    with pytest.raises(UserError, match=message):
        run(**settings)


def test_a_folder_that_cannot_be_made_is_named(tmp_path, run):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match="x.safetensors cannot be written .*; expected a writable folder with enough space"
    ):
        run("safetensors", output=f"{tmp_path}/file/x.safetensors")


def test_an_earlier_file_stays_when_an_export_fails(tmp_path, run, monkeypatch):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    path = run("safetensors")
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    monkeypatch.setattr("pix2pix_lit.export.parity.TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differs from the generator"):
        run("safetensors")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize(("format", "embedded"), [("onnx", True), ("openvino", False)])
def test_int8_is_calibrated_on_images_and_measured_on_others(tmp_path, run, format, embedded):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", SHALLOW | {"width": 16, "norm_inference": "running"})
    write_images(tmp_path, 12)
    settings = {"precision": "int8", "images": f"{tmp_path}/in", "embed_preprocessing": embedded}
    path = run(format, calibration_count=8, min_ssim=0.5, **settings)
    exported = Translator.load(path, trusted=True)
    assert exported.metadata.precision == "int8"
    image = noise(RGB, 40, 48)
    apart = np.abs(exported(image).astype(int) - Translator.load(checkpoint)(image))
    assert 0 < apart.mean() < 12
    report = json.loads(path.with_name(f"{path.name}.json").read_text())["report"]
    assert report["inputs"] == "of in, not used for calibration"
    assert report["parity"]["images"] == 2
    assert 0.5 < report["parity"]["ssim"] < 1


def test_a_file_whose_pictures_are_too_different_is_removed(tmp_path, run):
    save_checkpoint(tmp_path / "x.ckpt", UNET | {"width": 16, "norm_inference": "running"})
    with pytest.raises(
        UserError, match="the outputs of the bf16 file have SSIM .* expected at least 1.0: it was removed"
    ):
        run("safetensors", precision="bf16", min_ssim=1.0)
    assert list((tmp_path / "out").iterdir()) == []


def test_running_statistics_can_be_measured_again_by_an_export(tmp_path, run):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET)
    write_images(tmp_path, 6)
    path = run("checkpoint", recalibrate=True, images=f"{tmp_path}/in")
    metadata = Translator.load(path).metadata
    assert metadata.norm_inference == "running"
    before = torch.load(checkpoint)["state_dict"]["generator.decoder.1.norm.running_mean"]
    after = torch.load(path)["state_dict"]["generator.decoder.1.norm.running_mean"]
    assert (before - after).abs().max() > 0.01
    # Nearer to what each image's own statistics give than the wrong ones of the checkpoint are.
    image = read_image(tmp_path / "in/03.png")
    own = Translator.load(checkpoint)(image).astype(int)
    measured, wrong = (
        np.abs(Translator.load(p, norm_inference="running")(image) - own).mean() for p in (path, checkpoint)
    )
    assert measured < wrong / 2
