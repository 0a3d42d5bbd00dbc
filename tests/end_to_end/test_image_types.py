"""Images of any type keep it in training, sample grids and translations."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.predict import predict
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.train import train

IDS = ("data/pixels@data.source.b=ids", "data.source.b.classes=3", "data.source.b.values=[0,100,200]")
DEPTH = ("data.source.a.channels=1", "data.source.a.dtype=uint16", "data.source.a.range=[0,4000]")
DEPTH_TYPE = ImageType(channels=1, dtype="uint16", range=[0, 4000])
CLASSES = np.array([0, 100, 200], np.uint8)


@pytest.fixture
def scans(tmp_path):
    """16-bit depth in A/ and three classes, stored as gray values, in B/."""
    for split, count in (("train", 4), ("val", 2)):
        for i in range(count):
            rng = np.random.default_rng([i, count])
            classes = np.kron(rng.integers(0, 3, (4, 4)), np.ones((10, 10), int))[..., None]
            depth = (classes * 1500 + rng.integers(0, 300, classes.shape)).astype(np.uint16)
            write_image(tmp_path / "data" / split / "A" / f"{i}.png", depth)
            write_image(tmp_path / "data" / split / "B" / f"{i}.png", CLASSES[classes])
    return tmp_path


@pytest.fixture
def run(scans, tiny_overrides):
    """Train on the scans with these overrides, then translate a folder of the validation images."""

    def train_and_predict(direction, *overrides):
        tiny = [override for override in tiny_overrides if not override.startswith("data.source.")]
        chosen = ["data=folders", f"data.root='{scans}/data'", *DEPTH, *IDS, f"data.direction={direction}", *overrides]
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            config = compose("train", [*tiny, *chosen, "trainer.max_epochs=1", f"output_dir='{scans}/run'"])
            folder = {"AtoB": "A", "BtoA": "B"}[direction]
            paths = {"ckpt": "run/checkpoints/best.ckpt", "input": f"data/val/{folder}", "output": "out"}
            predictions = compose(
                "predict", [*(f"{key}='{scans}/{value}'" for key, value in paths.items()), "grids=true"]
            )
        assert np.isfinite(train(config))
        predict(predictions)
        return scans / "out"

    return train_and_predict


@pytest.mark.parametrize("cache", ["none", "disk", "ram"])
def test_class_numbers_become_sixteen_bit_depth(run, scans, cache):
    out = run("BtoA", f"data.cache={cache}", f"data.cache_dir='{scans}/cache'")
    with Image.open(out / "0.png") as file:
        assert file.mode == "I;16"
    depth = read_image(out / "0.png", DEPTH_TYPE)
    assert depth.shape == (40, 40, 1)
    assert 0 < depth.max() <= 4000


def test_sixteen_bit_depth_becomes_class_numbers(run):
    out = run("AtoB", "data/augmentation=[rotate,scale]")
    assert set(np.unique(np.asarray(Image.open(out / "0.png")))) <= set(CLASSES)
    assert Image.open(out / "0.png").mode == "L"


def test_the_checkpoint_says_what_its_images_are(run, scans):
    run("BtoA")
    stored = torch.load(scans / "run/checkpoints/best.ckpt", weights_only=True)["hyper_parameters"]
    assert ImageType(**stored["target"]) == DEPTH_TYPE
    assert ImageType(**stored["input"]) == ImageType(kind="ids", channels=1, classes=3, values=[0, 100, 200])
    grid = read_image(scans / "run/samples/step_0000002.png")
    assert grid.dtype == np.uint8
    assert (scans / "out/grids/grid_0001.png").is_file()
