"""Pairs as the network sees them."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from pix2pix_lit.data.preview import as_network_sees, grouped, preview
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.runs.command import CONFIG_DIR

STREETS = ("data=streets", "data.source.train_length=5", "data.source.val_length=1", "data.source.size=48")


def config_of(folder: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("preview", [*STREETS, "data.load_size=40", "data.crop_size=32", f"output={folder}", *overrides])


def columns_of(folder: Path, *overrides: str, epochs: int = 2) -> dict[str, list[np.ndarray]]:
    datamodule = instantiate(config_of(folder, *overrides).data, cache="none", _convert_="all")
    datamodule.setup("fit")
    return as_network_sees(datamodule, [0, 3], epochs)


def test_columns_are_files_then_fixed_pairs_then_epochs(tmp_path):
    columns = columns_of(tmp_path)
    expected = ["A", "B", "input", "target", "input, epoch 0", "target, epoch 0", "input, epoch 1", "target, epoch 1"]
    assert list(columns) == expected
    assert all(len(pictures) == 2 for pictures in columns.values())
    assert all(picture.shape == (32, 32, 3) for pictures in columns.values() for picture in pictures)


def test_input_is_the_side_that_the_direction_says(tmp_path):
    columns = columns_of(tmp_path, "data.direction=BtoA", "data.source.size=32")
    photo, labels, _ = StreetsSource(size=32, train_length=5)[3]
    np.testing.assert_array_equal(columns["A"][1], photo)
    np.testing.assert_array_equal(columns["target"][1], photo)
    np.testing.assert_array_equal(columns["input"][1], labels)
    turned = columns_of(tmp_path, "data.direction=AtoB", "data.source.size=32")
    np.testing.assert_array_equal(turned["input"][1], photo)


def test_epochs_differ_and_are_those_of_training(tmp_path):
    columns = columns_of(tmp_path, epochs=3)
    inputs = [columns[f"input, epoch {epoch}"][0] for epoch in range(3)]
    assert any((inputs[0] != other).any() for other in inputs[1:])
    again = columns_of(tmp_path, epochs=3)
    np.testing.assert_array_equal(again["input, epoch 2"][0], inputs[2])


def test_nothing_is_augmented_before_the_epochs(tmp_path):
    plain = columns_of(tmp_path, "data.flip=false", "data.load_size=32")
    for side in ("input", "target"):
        np.testing.assert_array_equal(plain[f"{side}, epoch 1"][0], plain[side][0])
        np.testing.assert_array_equal(columns_of(tmp_path)[side][0], plain[side][0])


def test_grid_has_a_group_for_each_pair_and_its_path_is_printed(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        preview(config_of(tmp_path / "new", "count=3", "epochs=1"))
    height, width, _ = read_image(tmp_path / "new" / "pairs.png").shape
    assert width >= 3 * (32 + 4) + 4
    assert height * width > 3 * 2 * 3 * 36 * 36  # pairs, rows and images in a row
    assert f"3 training pairs written to {tmp_path}/new/pairs.png" in caplog.text


@pytest.mark.parametrize(("direction", "letters"), [("AtoB", ("A", "B")), ("BtoA", ("B", "A"))])
def test_the_images_of_a_pair_stand_together_inputs_above_targets(tmp_path, direction, letters):
    columns = columns_of(tmp_path, f"data.direction={direction}", epochs=1)
    first, second = grouped(columns, ["one", "two"], direction)
    assert (first.name, second.name) == ("one", "two")
    for (letter, side), row in zip(zip(letters, ("input", "target"), strict=True), second.rows, strict=True):
        assert [*row] == [f"{letter}, file", side, "epoch 0"]
        expected = [columns[caption][1] for caption in (letter, side, f"{side}, epoch 0")]
        assert all(picture is other for picture, other in zip(row.values(), expected, strict=True))


def test_no_more_pairs_are_shown_than_there_are(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        preview(config_of(tmp_path, "count=50", "epochs=0"))
    assert "5 training pairs" in caplog.text


def test_no_cache_is_built_for_a_few_pairs(tmp_path):
    preview(config_of(tmp_path, "count=1", "data.cache=disk", f"data.cache_dir={tmp_path}/cache"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("count=0", "count is 0; expected a whole number, 1 or more"),
        ("epochs=-1", "epochs is -1; expected a whole number, 0 or more"),
        ("epochs=1.5", "epochs is 1.5"),
        ("output=null", "output is not set"),
        ("data.train_split=nope", "nope"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        preview(config_of(tmp_path, override))
