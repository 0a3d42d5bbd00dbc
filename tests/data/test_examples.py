"""Streets to try a trained model on."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from pix2pix_lit.data.examples import examples
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.runs.command import CONFIG_DIR


def config_of(folder: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("examples", [f"output={folder}", *overrides])


def test_labels_and_photos_of_validation_streets_are_written_under_equal_names(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        examples(config_of(tmp_path, "count=2", "size=[32,64]", "seed=3"))
    assert [path.name for path in sorted(tmp_path.rglob("*.png"))] == ["val_00000.png", "val_00001.png"] * 2
    photo, labels, name = StreetsSource(split="val", size=[32, 64], seed=3)[1]
    np.testing.assert_array_equal(read_image(tmp_path / "labels" / f"{name}.png"), labels)
    np.testing.assert_array_equal(read_image(tmp_path / "photos" / f"{name}.png"), photo)
    assert f"2 streets of 64x32 pixels written to {tmp_path}" in caplog.text
    assert f"input={tmp_path}/labels" in caplog.text


def test_streets_are_as_large_as_those_of_the_quickstart():
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        assert compose("examples").size == compose("train", ["experiment=quickstart"]).data.crop_size


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("count=0", "count is 0; expected a whole number, 1 or more"),
        ("count=two", "count is 'two'"),
        ("size=8", "size is 8; expected a whole number of pixels from 32 to 4096"),
        ("seed=-1", "seed is -1"),
        ("output=null", "output is not set"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        examples(config_of(tmp_path, override))
