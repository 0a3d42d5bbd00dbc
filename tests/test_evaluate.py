"""The evaluate command, called as a function."""

import csv
import json

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.evaluate import evaluate
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import COLORS
from pix2pix_lit.inference import Translator
from pix2pix_lit.runs.command import CONFIG_DIR

from .predicting import save_checkpoint

LABELS = ImageType(kind="colors", palette="cityscapes")
IDS = ImageType(kind="ids", channels=1, classes=20, values="cityscapes_colors", void=19)
STREETS = ("data.load_size=64", "data.crop_size=64", "data.source.train_length=4", "data.source.val_length=6")


@pytest.fixture
def run(tmp_path):
    """Evaluate with these overrides; returns what was written."""

    def run_command(*overrides):
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            config = compose("evaluate", [*overrides, "device=cpu", f"output={tmp_path}/out"])
        evaluate(config)
        with open(tmp_path / "out/scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return json.loads((tmp_path / "out/scores.json").read_text()), rows

    return run_command


@pytest.fixture
def judge(tmp_path):
    """A model that segments photos, untrained."""
    (tmp_path / "judge").mkdir()
    return save_checkpoint(tmp_path / "judge", RGB, IDS)


def test_a_model_is_scored_between_the_real_images_and_the_baselines(run, tmp_path):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    content, rows = run(f"ckpt={checkpoint}", *STREETS)
    scores = content["scores"]
    assert list(scores) == ["real images", "model", "input copied", "class mean colours"]
    assert scores["real images"] == {"l1": 0.0, "psnr": "inf", "ssim": 1.0}
    assert scores["class mean colours"]["l1"] < scores["input copied"]["l1"]
    assert content["images"] == len(rows) / 4 == 6
    of_model = [float(row["l1"]) for row in rows if row["row"] == "model"]
    assert np.mean(of_model) == pytest.approx(scores["model"]["l1"], rel=1e-5)
    protocol = content["protocol"]
    assert (protocol["images"], protocol["of"], protocol["size"]) == (6, 6, [64, 64])
    assert protocol["norm_inference"] == "per_image"
    assert len(protocol["checkpoint"]["sha256"]) == len(protocol["images_sha256"]) == 64
    table = (tmp_path / "out/scores.md").read_text()
    assert "| **model** |" in table
    assert "- ssim: higher is better" in table


def test_scores_of_a_model_are_those_of_its_own_translations(run, tmp_path):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    content, _ = run(f"ckpt={checkpoint}", *STREETS)
    translator = Translator.load(checkpoint)
    source = StreetsSource(split="val", size=64, train_length=4, val_length=6)
    pairs = [source[number] for number in range(6)]
    differences = [np.abs(translator(pair.b).astype(float) - pair.a).mean() / 127.5 for pair in pairs]
    assert content["scores"]["model"]["l1"] == pytest.approx(np.mean(differences), rel=1e-5)


def test_images_are_spread_over_the_split(run, tmp_path):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    content, rows = run(f"ckpt={checkpoint}", *STREETS, "limit=3")
    assert [row["image"] for row in rows if row["row"] == "model"] == ["val_00000", "val_00002", "val_00005"]
    assert (content["protocol"]["images"], content["protocol"]["of"]) == (3, 6)


def test_a_judge_segments_all_rows_and_is_compared_with_the_labels(run, tmp_path, judge):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    content, _ = run(f"ckpt={checkpoint}", *STREETS, f"+judges.own={judge}")
    for row in content["scores"]:
        assert {"own/pixel_accuracy", "own/class_accuracy", "own/iou"} <= content["scores"][row].keys()
        assert len(content["classes"][row]["own/iou"]) == 19
    assert content["protocol"]["judges"]["own"]["mirrored"] is True
    # By hand, for the real images: scores of the photo and of its mirror image, the best of the 19 scored classes.
    translator, source = Translator.load(judge), StreetsSource(split="val", size=64, train_length=4, val_length=6)
    right = counted = 0
    for pair in map(source.__getitem__, range(6)):
        photo = torch.from_numpy(pair.a.copy()).permute(2, 0, 1)[None]
        with torch.no_grad():
            found = (translator.generate(photo) + translator.generate(photo.flip(-1)).flip(-1))[0, :19].argmax(0)
        for number, color in enumerate(COLORS):
            is_class = torch.from_numpy((pair.b == color).all(-1))
            right += int((is_class & (found == number)).sum())
            counted += int(is_class.sum())
    assert content["scores"]["real images"]["own/pixel_accuracy"] == pytest.approx(right / counted)


def test_a_run_folder_is_its_last_checkpoint_also_of_a_judge(run, tmp_path, judge):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    folder = tmp_path / "run/checkpoints"
    folder.mkdir(parents=True)
    judge.rename(folder / "last.ckpt")
    content, _ = run(f"ckpt={checkpoint}", *STREETS, "limit=1", f"+judges.own={tmp_path}/run")
    assert content["protocol"]["judges"]["own"]["file"] == "last.ckpt"


def test_class_numbers_are_scored_as_labels(run, tmp_path):
    archive = tmp_path / "archive"
    for split in ("train", "val"):
        source = StreetsSource(split=split, size=64, train_length=2, val_length=2)
        for number in range(2):
            pair = source[number]
            write_image(archive / split / f"{number}.png", np.concatenate([pair.a, pair.b], 1))
    checkpoint = save_checkpoint(tmp_path, RGB, IDS)
    content, _ = run(
        f"ckpt={checkpoint}",
        "data=cityscapes_classes",
        f"data.root={archive}",
        "data.load_size=64",
        "data.crop_size=64",
    )
    assert list(content["scores"]) == ["real images", "model"]
    assert content["scores"]["real images"] == {"pixel_accuracy": 1.0, "class_accuracy": 1.0, "iou": 1.0}
    assert set(content["classes"]["model"]) == {"iou"}
    assert len(content["classes"]["model"]["iou"]) == 19


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        real = rng.integers(0, 256, (20 + number % 2, 24, 3), np.uint8)
        write_image(tmp_path / f"real/deep/{number}.png", real)
        write_image(tmp_path / f"fake/deep/{number}.bmp", np.clip(real.astype(int) + 10, 0, 255).astype(np.uint8))
    return [f"generated={tmp_path}/fake", f"target={tmp_path}/real"]


def test_folders_of_images_are_scored_whoever_made_them(run, folders, tmp_path):
    content, rows = run(*folders)
    pairs = [(tmp_path / f"fake/deep/{n}.bmp", tmp_path / f"real/deep/{n}.png") for n in range(5)]
    expected = [np.abs(read_image(a).astype(float) - read_image(b)).mean() / 127.5 for a, b in pairs]
    assert content["scores"]["model"]["l1"] == pytest.approx(np.mean(expected), rel=1e-5)
    assert list(content["scores"]) == ["real images", "model"]
    assert [row["image"] for row in rows][:5] == [f"deep/{number}" for number in range(5)]
    assert content["protocol"]["checkpoint"] is None


def test_folders_may_have_inputs_which_are_a_baseline(run, folders, tmp_path):
    content, _ = run(*folders, f"input={tmp_path}/real", "size=16")
    assert content["scores"]["input copied"]["l1"] == 0.0
    assert content["protocol"]["size"] == [16, 16]


def test_colours_in_folders_are_labels_if_their_palette_is_given(run, folders):
    content, _ = run(*folders, "target_palette=facades")
    assert content["scores"]["real images"]["iou"] == 1.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "neither ckpt nor generated is set; expected: pix2pix-lit evaluate ckpt=FILE"),
        (["ckpt=x", "generated=y"], "both ckpt and generated are set"),
        (["generated=y"], "generated is set, but target is not"),
        (["ckpt=x", "limit=0"], "limit is 0; expected a whole number, 1 or more"),
        (["ckpt=x", "batch_size=0"], "batch_size is 0"),
        (["ckpt=missing.ckpt"], r"missing\.ckpt does not exist"),
        (["generated=nowhere", "target=nowhere"], "nowhere does not exist; expected a folder of images"),
    ],
)
def test_bad_input_is_refused(run, overrides, message):
    with pytest.raises(UserError, match=message):
        run(*overrides, *STREETS)


def test_images_without_a_partner_or_of_another_size_are_named(run, folders, tmp_path):
    (tmp_path / "real/deep/3.png").unlink()
    with pytest.raises(UserError, match=r"1 of 5 images in .* \(deep/3\) have no partner of the same name in .*real"):
        run(*folders)
    write_image(tmp_path / "real/deep/3.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UserError, match=r"called deep/3 differ in size \(generated 21x24, target 9x9, height"):
        run(*folders)


def test_a_model_for_other_images_is_refused(run, tmp_path, judge):
    with pytest.raises(UserError, match="the model's inputs are images .*, but the inputs of the data set are colours"):
        run(f"ckpt={judge}", *STREETS)


def test_a_judge_that_cannot_judge_is_refused(run, tmp_path, judge):
    checkpoint = save_checkpoint(tmp_path, LABELS, RGB)
    with pytest.raises(UserError, match=r"judges\.x=.* translates colours .*; expected a model that translates"):
        run(f"ckpt={checkpoint}", *STREETS, f"+judges.x={checkpoint}")
    with pytest.raises(UserError, match=r"judges segment generated photos .*; expected labels -> photos"):
        run(f"ckpt={save_checkpoint(tmp_path, RGB, LABELS)}", *STREETS, "data.direction=AtoB", f"+judges.x={judge}")
