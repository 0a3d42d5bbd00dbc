"""The audit finds each fault, and nothing else."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from pix2pix_lit.data.audit.__main__ import audit, main
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.palettes import COLORS
from pix2pix_lit.runs.command import CONFIG_DIR

Images = tuple[np.ndarray, np.ndarray]
SIDE = 64
TRAIN, VAL = 26, 10
FOLDERS = ("data=folders", "data/pixels@data.source.b=colors", "data.source.b.palette=cityscapes")
IDS = ("data=folders", "data/pixels@data.source.b=ids", "data.source.b.classes=19")
SMALL = (f"data.load_size={SIDE}", f"data.crop_size={SIDE}", "num_workers=0")


@pytest.fixture(scope="module")
def streets() -> dict[str, list[Images]]:
    lengths = {"train": TRAIN, "val": VAL}
    sources = {
        split: StreetsSource(split=split, size=SIDE, train_length=TRAIN, val_length=VAL, seed=1) for split in lengths
    }
    return {split: [source[index][:2] for index in range(len(source))] for split, source in sources.items()}


class Folders:
    """Clean pairs on disk, to be spoilt by a test."""

    def __init__(self, root: Path, streets: dict[str, list[Images]]) -> None:
        self.root = root
        self.streets = streets
        for split, pairs in streets.items():
            for index, pair in enumerate(pairs):
                for side, image in zip("AB", pair, strict=True):
                    write_image(self.path(split, side, index), image)

    def path(self, split: str, side: str, index: int | str) -> Path:
        name = index if isinstance(index, str) else f"{index:02d}"
        return self.root / "data" / split / side / f"{name}.png"

    def write(self, split: str, side: str, index: int | str, image: np.ndarray) -> None:
        write_image(self.path(split, side, index), image)

    def audit(self, *overrides: str, layout: tuple[str, ...] = FOLDERS) -> tuple[dict[str, Any], str]:
        """The content of audit.json, and the message of the error that the command ends with, if any."""
        return run_audit(self.root, *layout, f"data.root={self.root}/data", *overrides)


def run_audit(folder: Path, *overrides: str) -> tuple[dict[str, Any], str]:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("audit", [*overrides, *SMALL, f"output={folder}/out"])
    message = ""
    try:
        audit(config)
    except UserError as error:
        message = str(error)
    return json.loads((folder / "out" / "audit.json").read_text()), message


def found(report: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Check -> the names of the pairs of each finding."""
    checks: dict[str, list[list[str]]] = {}
    for finding in report["findings"]:
        checks.setdefault(finding["check"], []).append(
            [f"{place['split']}/{place['name']}" for place in finding["places"]]
        )
    return checks


def skipped(report: dict[str, Any]) -> set[str]:
    return {check["name"] for check in report["checks"] if check["skipped"]}


@pytest.fixture
def folders(tmp_path: Path, streets: dict[str, list[Images]], no_audit_page: None) -> Folders:
    return Folders(tmp_path, streets)


@pytest.mark.slow
def test_nothing_is_found_in_clean_pairs(folders):
    report, message = folders.audit()
    assert found(report) == {}
    assert skipped(report) == set()
    assert message == ""
    assert report["training_may_start"] is True
    assert (report["errors"], report["warnings"]) == (0, 0)
    train = report["splits"]["train"]
    assert train["pairs"] == TRAIN
    assert train["sizes"] == {f"{SIDE}x{SIDE}": TRAIN}
    assert train["suffixes"] == {".png": TRAIN}
    assert train["a"] == "continuous, 3 x uint8"
    assert train["b"] == "label colours of palette cityscapes, 3 x uint8"
    assert train["off_palette"] == {"b": {"0": 0, "5": 0, "10": 0, "20": 0, "40": 0}}


@pytest.mark.slow
@pytest.mark.usefixtures("no_audit_page")
def test_nothing_is_found_in_streets(tmp_path):
    report, message = run_audit(
        tmp_path, "data=streets", "data.source.train_length=30", "data.source.val_length=10", "data.source.seed=2"
    )
    assert (found(report), message) == ({}, "")
    assert report["splits"]["val"]["suffixes"] == {"made on demand": 10}


def test_truncated_file_is_an_error(folders):
    path = folders.path("val", "A", 4)
    path.write_bytes(path.read_bytes()[:-900])
    report, message = folders.audit()
    assert found(report) == {"unusable": [["val/04.png"]]}
    assert str(path) in report["findings"][0]["message"]
    assert report["findings"][0]["places"][0]["files"] == [str(path), str(folders.path("val", "B", 4))]
    assert report["training_may_start"] is False
    assert "1 error, 0 warnings: training should not start" in message


def test_class_number_out_of_range_is_an_error(folders, streets):
    for split, pairs in streets.items():
        for index, (_, labels) in enumerate(pairs):
            folders.path(split, "B", index).unlink()
            write_ids(folders.path(split, "B", index), (labels[..., None, :] == COLORS).all(-1).argmax(-1))
    ids = np.zeros((SIDE, SIDE), np.uint8)
    ids[:, :20] = 7
    ids[3, 5] = 19
    write_ids(folders.path("train", "B", 11), ids)
    report, _ = folders.audit(layout=IDS)
    assert found(report) == {"unusable": [["train/11.png"]]}
    assert "19" in report["findings"][0]["message"]


def write_ids(path: Path, ids: np.ndarray) -> None:
    Image.fromarray(ids.astype(np.uint8)).save(path)


def test_partners_of_different_sizes_are_an_error(folders, streets):
    folders.write("train", "B", 7, streets["train"][7][1][: SIDE - 2])
    report, message = folders.audit()
    assert found(report) == {"size mismatch": [["train/07.png"]]}
    assert "training should not start" in message


def test_file_without_a_partner_is_a_warning(folders):
    folders.path("val", "B", 2).unlink()
    report, message = folders.audit()
    assert found(report) == {"missing partner": [["val/02.png"]]}
    assert report["findings"][0]["places"][0]["files"] == [str(folders.path("val", "A", 2))]
    assert report["splits"]["val"]["missing"] == 1
    assert message == ""


def test_single_photos_as_aligned_pairs_are_an_error_and_halves_of_other_files_a_warning(tmp_path, streets):
    folders = Folders(tmp_path, {})
    pairs = [*streets["train"], *streets["val"]]
    for split in ("train", "val"):
        for index, (a, _) in enumerate(pairs):
            stranger = pairs[(index + 5) % len(pairs)][1]
            write_image(tmp_path / f"data/{split}/{index:02d}.png", a if split == "train" else np.hstack([a, stranger]))
    report, message = folders.audit("data=aligned", layout=())
    assert [finding["check"] for finding in report["findings"] if not finding["places"]] == [
        "single photos",
        "strange halves",
    ]
    assert "training should not start" in message
    assert "look like single photos" in report["findings"][0]["message"]


def test_halves_of_pairs_are_no_finding(tmp_path, streets):
    folders = Folders(tmp_path, {})
    for split, pairs in streets.items():
        for index, pair in enumerate(pairs):
            write_image(tmp_path / f"data/{split}/{index:02d}.jpg", np.hstack(pair))
    report, message = folders.audit("data=aligned", layout=())
    assert found(report) == {}
    assert message == ""


def test_images_that_are_not_read_are_a_warning(folders):
    folders.path("train", "A", 0).with_suffix(".heif.jxl").touch()
    folders.path("val", "A", "gone").symlink_to("nowhere.png")
    report, message = folders.audit()
    assert found(report) == {"left out": [["train/00.heif.jxl"], ["val/gone.png"]]}
    assert "which is not supported: convert it" in report["findings"][0]["message"]
    assert [report["splits"][split]["left_out"] for split in ("train", "val")] == [1, 1]
    assert message == ""


@pytest.mark.parametrize(
    ("split", "check", "message"), [("train", "duplicate", ""), ("val", "leak", "training should not start")]
)
def test_copy_of_a_training_pair_is_a_warning_in_its_split_and_an_error_in_validation(
    folders, streets, split, check, message
):
    for side, image in zip("AB", streets["train"][3], strict=True):
        folders.write(split, side, "copy", image)
    report, found_message = folders.audit()
    assert found(report) == {check: [["train/03.png", f"{split}/copy.png"]]}
    assert message in found_message if message else found_message == ""


def test_one_image_with_two_partners_is_a_warning(folders, streets):
    labels = streets["train"][5][1].copy()
    labels[:8, :8] = (128, 64, 128)
    folders.write("train", "A", "twin", streets["train"][5][0])
    folders.write("train", "B", "twin", labels)
    report, _ = folders.audit()
    assert found(report) == {"repeated image": [["train/05.png", "train/twin.png"]]}
    assert report["findings"][0]["message"].startswith("the same A with 2 partners in train")


def test_image_that_is_in_both_splits_with_another_partner_is_a_warning(folders, streets):
    photo = 255 - (255 - streets["train"][5][0]) // 2
    folders.write("val", "A", "twin", photo)
    folders.write("val", "B", "twin", streets["train"][5][1])
    report, message = folders.audit()
    assert found(report) == {"shared image": [["train/05.png", "val/twin.png"]]}
    assert message == ""


def test_the_same_split_for_training_and_validation_is_an_error(folders):
    report, message = folders.audit("data.val_split=train")
    assert found(report) == {"leak": [[]]}
    assert "both train" in report["findings"][0]["message"]
    assert list(report["splits"]) == ["train"]
    assert message


def test_images_of_one_colour_are_warnings_and_nothing_else(folders):
    pink, road = (np.full((SIDE, SIDE, 3), color, np.uint8) for color in ((244, 35, 232), (128, 64, 128)))
    for index in (2, 9):
        folders.write("train", "A", index, pink)
    for index in (3, 4):
        folders.write("val", "A", index, pink)
        folders.write("val", "B", index, road)
    report, message = folders.audit()
    assert found(report) == {"constant": [["train/02.png"], ["train/09.png"], ["val/03.png"], ["val/04.png"]]}
    messages = [finding["message"] for finding in report["findings"]]
    assert messages[1:3] == ["A has a single colour", "A and B have a single colour"]
    assert message == ""


def test_colours_off_the_palette_are_warnings_with_their_share(folders, streets):
    labels = streets["train"][6][1].copy()
    labels[:16] = (81, 0, 81)
    folders.write("train", "B", 6, labels)
    report, message = folders.audit()
    assert found(report) == {"off the palette": [["train/06.png"]]}
    assert report["findings"][0]["figures"] == {"share": 0.25, "usual_share": 0.0}
    assert message == ""


def test_blurred_labels_are_one_warning_that_names_the_remedy(folders, streets):
    for split, pairs in streets.items():
        for index, (_, labels) in enumerate(pairs):
            path = folders.path(split, "B", index)
            path.unlink()
            Image.fromarray(labels).save(path.with_suffix(".jpg"), quality=90)
    report, _ = folders.audit()
    assert found(report) == {"off the palette": [[]]}
    assert "data.snap_labels=true" in report["findings"][0]["message"]
    assert report["splits"]["train"]["suffixes"] == {".png+.jpg": TRAIN}
    assert found(folders.audit("data.snap_labels=true")[0]) == {}


def test_palette_of_other_labels_is_one_warning(folders):
    report, _ = folders.audit("data.source.b.palette=[[255,255,255],[0,255,0]]")
    assert found(report) == {"off the palette": [[]]}
    assert "data.source.b.palette" in report["findings"][0]["message"]


def test_labels_declared_as_photos_and_the_other_way_round_are_an_error(folders):
    report, message = folders.audit("data.source.a_folder='{split}/B'", "data.source.b_folder='{split}/A'")
    assert found(report) == {"swapped sides": [[]]}
    assert "training should not start" in message


@pytest.mark.parametrize("layout", [FOLDERS, ("data=folders",)], ids=["declared as labels", "both continuous"])
def test_few_pairs_the_other_way_round_are_warnings(folders, streets, layout):
    for index in (4, 17):
        a, b = streets["train"][index]
        folders.write("train", "A", index, b)
        folders.write("train", "B", index, a)
    report, message = folders.audit(layout=layout)
    checks = found(report)
    assert checks.pop("turned pair") == [["train/04.png"], ["train/17.png"]]
    checks.pop("off the palette", None)  # photos are, too
    assert checks == {}
    assert message == ""


def test_shifted_labels_are_warnings_that_name_the_shift(folders, streets):
    for index, shift in ((1, (0, 6)), (8, (-5, -4))):
        folders.write("train", "B", index, np.roll(streets["train"][index][1], shift, (0, 1)))
    report, message = folders.audit()
    assert found(report) == {"misregistered": [["train/01.png"], ["train/08.png"]]}
    figures = [(finding["figures"]["dx"], finding["figures"]["dy"]) for finding in report["findings"]]
    assert figures == [(-6, 0), (4, 5)]
    assert "6 px to the left and 0 px up" in report["findings"][0]["message"]
    assert message == ""


def test_wrong_partners_are_warnings(folders, streets):
    folders.write("train", "B", 12, streets["train"][20][1][:, ::-1])
    report, _ = folders.audit()
    assert found(report) == {"misregistered": [["train/12.png"]]}
    assert "no better than the B of another pair" in report["findings"][0]["message"]


def test_shift_of_the_whole_set_is_one_warning(folders, streets):
    for split, pairs in streets.items():
        for index, (_, labels) in enumerate(pairs):
            folders.write(split, "B", index, np.roll(labels, 6, 0))
    report, _ = folders.audit()
    assert found(report) == {"misregistered": [[]]}
    assert report["findings"][0]["figures"] == {"dx": 0, "dy": -6}


def test_a_set_whose_sides_have_nothing_in_common_is_not_checked(folders, streets):
    for split, pairs in streets.items():
        for index in range(len(pairs)):
            folders.write(split, "B", index, pairs[(index + 3) % len(pairs)][1][::-1, ::-1])
    report, _ = folders.audit()
    assert found(report) == {}
    assert skipped(report) == {"misregistered"}


def test_pairs_that_are_too_dark_to_be_seen_are_not_checked(folders, streets):
    for split, pairs in streets.items():
        for index, (a, b) in enumerate(pairs):
            for side, image in (("A", a), ("B", b)):  # of 16 bits, of which only the lowest are used
                Image.fromarray(image[..., 0].astype(np.uint16)).save(folders.path(split, side, index))
    sixteen = [f"data.source.{side}.{key}" for side in "ab" for key in ("channels=1", "dtype=uint16")]
    report, _ = folders.audit(*sixteen, layout=("data=folders",))
    assert found(report) == {"value range": [[], []]}
    assert skipped(report) == {"swapped sides", "turned pair", "misregistered"}
    assert report["splits"]["train"]["a"] == "continuous, 1 x uint16"


@pytest.mark.slow
@pytest.mark.usefixtures("no_audit_page")
def test_few_pairs_are_not_checked_by_what_is_usual(tmp_path):
    report, _ = run_audit(tmp_path, "data=streets", "data.source.train_length=5", "data.source.val_length=2")
    assert found(report) == {}
    assert skipped(report) == {"swapped sides", "turned pair", "misregistered"}


def test_a_missing_split_is_a_finding_and_the_other_is_audited(folders):
    report, message = folders.audit("data.val_split=test")
    assert found(report) == {"no pairs": [[]]}
    assert list(report["splits"]) == ["train"]
    assert "1 error" in message


def test_augmentation_that_fails_is_an_error_beside_what_else_is_found(folders, monkeypatch):
    monkeypatch.undo()  # with the page
    folders.path("train", "B", 2).unlink()
    shrink = (
        "data/augmentation=scale",
        "data.augmentation.geometry.scale.scale_limit=[-0.5,-0.5]",
        "data.augmentation.geometry.scale.p=1",
    )
    report, message = folders.audit(*shrink)
    assert found(report) == {"settings": [[]], "missing partner": [["train/02.png"]]}
    (error,) = (finding for finding in report["findings"] if finding["severity"] == "error")
    assert "smaller than the crop of 64x64" in error["message"]
    assert "1 error, 1 warning: training should not start" in message
    shown = (folders.root / "out" / "audit.html").read_text()
    assert error["message"] in shown
    assert "As the network sees them" not in shown


def test_settings_are_not_checked_without_pairs_to_try_them_on(folders):
    report, _ = folders.audit("data.val_split=test")
    assert "settings" in skipped(report)


def test_a_missing_data_set_ends_the_audit_with_what_to_do(tmp_path):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("audit", ["data=folders", f"data.root={tmp_path}/nothing", f"output={tmp_path}/out"])
    with pytest.raises(UserError, match="nothing does not exist.*check data.root"):
        audit(config)


def test_output_that_is_a_file_is_refused_before_pairs_are_read(tmp_path):
    (tmp_path / "out").write_text("mine")
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("audit", [f"output={tmp_path}/out"])
    with pytest.raises(UserError, match="expected a writable folder"):
        audit(config)


@pytest.mark.slow
def test_workers_find_what_one_process_finds(folders):
    folders.path("val", "A", 4).write_bytes(b"no image")
    alone, _ = folders.audit()
    shared, _ = folders.audit("num_workers=2")
    assert found(alone) == found(shared) == {"unusable": [["val/04.png"]]}
    assert alone["splits"] == shared["splits"]


@pytest.fixture
def command_line(folders, monkeypatch) -> Callable[[], None]:
    def run() -> None:
        overrides = [*FOLDERS, *SMALL, f"data.root={folders.root}/data", f"output={folders.root}/out"]
        monkeypatch.setattr(sys, "argv", ["audit", *overrides])
        main()

    return run


@pytest.mark.slow
def test_exit_status_is_0_if_training_may_start_and_the_table_says_so(folders, command_line, capfd):
    folders.path("val", "B", 2).unlink()
    command_line()
    printed = capfd.readouterr().out
    assert "warning   missing partner  1" in printed
    assert "0 errors, 1 warning: training may start" in printed
    assert f"{folders.root}/out/audit.html" in printed


def test_exit_status_is_1_if_training_should_not_start(folders, command_line, capfd):
    folders.path("val", "A", 2).write_bytes(b"no image")
    with pytest.raises(SystemExit, match="error: 1 error, 0 warnings: training should not start; see .*audit.html"):
        command_line()
    printed = capfd.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("error ")]
    assert len(lines) == 1
    assert "unusable" in lines[0]
    assert str(folders.path("val", "A", 2)) in lines[0]
