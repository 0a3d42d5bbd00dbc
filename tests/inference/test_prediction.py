"""The loop of predict.py: images of any kind are translated, written, or reported."""

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.metadata import ImageMetadata
from pix2pix_lit.inference import Translator
from pix2pix_lit.predict import predict

from ..predicting import CLASSES, DEPTH, config_of, files_below, save_checkpoint, translate, write_inputs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path)


def test_a_sixteen_bit_target_comes_out_as_a_sixteen_bit_file(tmp_path):
    checkpoint = save_checkpoint(tmp_path, RGB, DEPTH)
    images = write_inputs(tmp_path, {"a.png": (9, 14), "b.jpg": (9, 14), "c.tif": (9, 14)})
    predict(config_of(tmp_path, grids=True))
    assert files_below(tmp_path / "out") == ["a.png", "b.png", "c.tif", "grids/grid_0001.png"]
    for name in ("a.png", "c.tif"):
        depth = read_image(tmp_path / "out" / name, DEPTH)
        assert (depth.shape, depth.dtype) == ((9, 14, 1), np.uint16)
        assert depth.max() > 255
        assert np.abs(depth.astype(int) - translate(checkpoint, images[name])).max() <= 4  # a thousandth of the range
    with Image.open(tmp_path / "out/a.png") as file:
        assert file.mode == "I;16"


def test_class_numbers_are_read_and_written_as_their_values(tmp_path):
    checkpoint = save_checkpoint(tmp_path, CLASSES, CLASSES)
    ids = np.random.default_rng(0).integers(0, 5, (9, 14, 1)).astype(np.uint8)
    write_image(tmp_path / "in/a.png", ids * 50)
    write_image(tmp_path / "in/b.png", ids * 50 + 1)
    with pytest.raises(UserError, match=r"1 of 2 files were left out:\n.*b\.png"):
        predict(config_of(tmp_path, grids=True))
    generated = read_image(tmp_path / "out/a.png", CLASSES)
    np.testing.assert_array_equal(generated, translate(checkpoint, ids))


@pytest.mark.usefixtures("checkpoint")
def test_damaged_files_are_named_at_the_end_and_all_others_translated(tmp_path):
    write_inputs(tmp_path, {"a.png": (8, 8), "b.png": (8, 8), "c.png": (8, 8)})
    (tmp_path / "in/b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^1 of 3 files were left out:\n  .*in/b\.png cannot be read"):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == ["a.png", "c.png"]


def test_sixty_four_images_are_the_same_in_batches_of_any_size(tmp_path, checkpoint):
    sizes = {f"{i:02d}.png": ((24, 40), (17, 9), (32, 32))[i % 3] for i in range(64)}
    write_inputs(tmp_path, sizes)
    for batch_size in (1, 7, 64):
        predict(config_of(tmp_path, batch_size=batch_size, output=f"{tmp_path}/out{batch_size}", num_workers=2))
        assert files_below(tmp_path / f"out{batch_size}") == sorted(sizes)
    for name in sizes:
        one, seven, all_ = (read_image(tmp_path / f"out{size}" / name).astype(int) for size in (1, 7, 64))
        assert one.std() > 2
        assert max(np.abs(seven - one).max(), np.abs(all_ - one).max()) <= 1


def test_samples_come_with_their_mean_and_a_map_of_deviations(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (9, 14), "sub/b.png": (30, 40)})
    predict(config_of(tmp_path, samples=3, seed=5, grids=True))
    expected = [
        f"{folder}{name}" for name in images for folder in ("", "deviation/", *(f"samples/00{k}/" for k in "012"))
    ]
    assert files_below(tmp_path / "out") == sorted([*expected, "grids/grid_0001.png"])
    translator = Translator.load(checkpoint)
    for name, image in images.items():
        found = translator.sample(torch.from_numpy(image.copy()).permute(2, 0, 1), 3, 5)
        mean = read_image(tmp_path / "out" / name)
        np.testing.assert_array_equal(mean, found.mean.permute(1, 2, 0).numpy())
        for k in range(3):
            sample = read_image(tmp_path / f"out/samples/00{k}" / name)
            np.testing.assert_array_equal(sample, found.samples[k].permute(1, 2, 0).numpy())
        deviation = read_image(tmp_path / "out/deviation" / name, ImageType(channels=1))[..., 0]
        np.testing.assert_array_equal(deviation, (found.deviation.numpy() * 2040).round().clip(0, 255))
    with pytest.raises(UserError, match="samples is 3 and tile is 64; expected only one of the two"):
        predict(config_of(tmp_path, samples=3, tile=64))


def test_large_images_are_translated_in_tiles(tmp_path, checkpoint):
    images = write_inputs(tmp_path, {"a.png": (100, 150), "b.png": (9, 14)})
    predict(config_of(tmp_path, tile=64, overlap=16, norm_inference="running"))
    translator = Translator.load(checkpoint, norm_inference="running")
    for name, image in images.items():
        np.testing.assert_array_equal(read_image(tmp_path / "out" / name), translator(image, tile=64, overlap=16))
    with pytest.raises(UserError, match="tile is 60; expected .* a multiple of 8 such as 56 or 64"):
        predict(config_of(tmp_path, tile=60))


def test_an_error_in_the_middle_leaves_no_open_bar_before_its_message(tmp_path, checkpoint, monkeypatch, capsys):
    write_inputs(tmp_path, {"a.png": (9, 14), "b.png": (9, 14)})

    def fail(*_) -> None:
        raise UserError("full") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("pix2pix_lit.inference.prediction.write_image", fail)
    with pytest.raises(UserError, match="full"):
        predict(config_of(tmp_path))
    assert capsys.readouterr().err.endswith("\n")


def test_images_that_were_converted_are_reported(tmp_path, checkpoint, caplog):
    rng = np.random.default_rng(0)
    write_image(tmp_path / "in/a.png", rng.integers(0, 256, (9, 14, 4), np.uint8))
    write_image(tmp_path / "in/b.png", rng.integers(0, 65536, (9, 14, 3), np.uint16))
    with caplog.at_level(logging.INFO):
        predict(config_of(tmp_path))
    assert "1 images were composited on white, since the network was trained on others" in caplog.text
    assert "1 images were scaled from uint16 to uint8" in caplog.text


def test_a_full_disk_ends_the_command_and_other_write_errors_do_not(tmp_path, checkpoint, monkeypatch):
    write_inputs(tmp_path, {"a.png": (9, 14), "b.png": (9, 14)})

    def fail(number: int):
        def write(path: Path, image: np.ndarray, metadata: ImageMetadata) -> None:
            if path.name == "a.png":
                raise UserError(f"{path} cannot be written") from OSError(number, os.strerror(number))
            write_image(path, image, metadata)

        return write

    monkeypatch.setattr("pix2pix_lit.inference.prediction.write_image", fail(errno.ENAMETOOLONG))
    with pytest.raises(UserError, match=r"1 of 2 files were left out:\n.*a\.png cannot be written"):
        predict(config_of(tmp_path))
    assert files_below(tmp_path / "out") == ["b.png"]
    monkeypatch.setattr("pix2pix_lit.inference.prediction.write_image", fail(errno.ENOSPC))
    with pytest.raises(UserError, match=r"^.*a\.png cannot be written$"):
        predict(config_of(tmp_path, existing="overwrite"))


def test_translations_keep_geo_tags_resolution_and_profile_of_their_inputs(tmp_path, checkpoint, caplog):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    metadata = ImageMetadata(((33550, (0.5, 0.5, 0.0)), (33922, (0.0,) * 6)), (300.0, 300.0), profile)
    for name in ("a.tif", "b.tif", "c.jpg"):
        write_image(tmp_path / "in" / name, np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8), metadata)
    jobs = [({}, "out"), ({"tile": 32}, "tiles"), ({"samples": 2}, "drawn"), ({"half": "left"}, "left")]
    for changes, output in jobs:
        predict(config_of(tmp_path, output=f"{tmp_path}/{output}", **changes))
        assert ImageMetadata.read(tmp_path / output / "a.tif") == metadata
        assert ImageMetadata.read(tmp_path / output / "c.jpg") == ImageMetadata((), (300.0, 300.0), profile)
    assert ImageMetadata.read(tmp_path / "drawn/samples/001/b.tif") == metadata
    assert "GeoTIFF" not in caplog.text
    predict(config_of(tmp_path, output=f"{tmp_path}/png", suffix=".png"))
    with Image.open(tmp_path / "png/a.png") as file:
        assert file.info["icc_profile"] == profile
    expected = "2 images have GeoTIFF tags, which .png files cannot hold (suffix=.tif does): "
    assert caplog.text.count(expected) == 1
    predict(config_of(tmp_path, output=f"{tmp_path}/right", half="right"))
    assert ImageMetadata.read(tmp_path / "right/a.tif") == ImageMetadata((), (300.0, 300.0), profile)
    assert "2 images have GeoTIFF tags, left out since they may not apply to the right half: " in caplog.text


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "16-bit gray", "16-bit RGB", "float"]


def write_mode(path: Path, mode: str, height: int, width: int, rng: np.random.Generator) -> Path:
    """An image file of any kind; its name may get another ending."""
    if mode == "float":
        path = path.with_suffix(".tif")
        write_image(path, rng.random((height, width, 3), np.float32))
    elif mode.startswith("16-bit"):
        channels = 1 if mode == "16-bit gray" else 3
        write_image(path, rng.integers(0, 65536, (height, width, channels), np.uint16))
    else:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).convert(mode.replace("A", ""))
        if mode.endswith("A"):
            image.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), np.uint8)))
        if mode == "CMYK":
            path = path.with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return path


@pytest.mark.usefixtures("checkpoint")
def test_images_of_any_size_and_mode_come_out_with_their_name_and_size(tmp_path):
    rng = np.random.default_rng(0)
    sides = [1, 2, 3, 7, 8, 9, 15, 64, 255]
    sizes = [(int(rng.choice(sides)), int(rng.choice(sides))) for _ in range(60)] + [(1, 1), (700, 900), (900, 1)]
    expected = {}
    for i, (height, width) in enumerate(sizes):
        mode = MODES[i % len(MODES)]
        path = write_mode(tmp_path / f"in/{i:02d} {mode}.png", mode, height, width, rng)
        expected[path.name] = (height, width, 3)
    predict(config_of(tmp_path, num_workers=2))
    assert files_below(tmp_path / "out") == sorted(expected)
    for name, shape in expected.items():
        assert read_image(tmp_path / "out" / name).shape == shape, name


def not_finite_for_white(network):
    """Let a network overflow where the first pixel of an image is white, as one in fp16 may."""

    def overflow(module, inputs, output):
        is_white = inputs[0][:, :, 0, 0].amin(1) == 1
        return torch.where(is_white[:, None, None, None], torch.nan, output)

    network.register_forward_hook(overflow)


@pytest.mark.parametrize("changes", [{}, {"tile": 8}, {"samples": 2}])
def test_an_image_whose_translation_is_not_finite_is_named_and_not_written(checkpoint, tmp_path, monkeypatch, changes):
    images = write_inputs(tmp_path, {f"{name}.png": (16, 16) for name in "abc"})
    white = images["b.png"].copy()
    white[0, 0] = 255
    write_image(tmp_path / "in" / "b.png", white)
    load = Translator.load

    def load_broken(*arguments, **options):
        translator = load(*arguments, **options)
        not_finite_for_white(translator.backend.network)
        return translator

    monkeypatch.setattr(Translator, "load", load_broken)
    with pytest.raises(UserError, match=r"1 of 3 files.*\n.*b.png: the network's output has NaN"):
        predict(config_of(tmp_path, **changes))
    written = files_below(tmp_path / "out")
    assert {"a.png", "c.png"} <= {*written}
    assert not [name for name in written if "b.png" in name]
