"""Cityscapes as it is distributed."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.data.sources.cityscapes_official import CityscapesOfficialSource
from pix2pix_lit.errors import UserError

IDS = np.array([[0, 7, 26, 26, 26], [11, 7, 24, 29, 255], [33, 18, 23, 4, 17]], np.uint8)
INSTANCES = np.array([[0, 7, 26000, 26001, 26], [11, 7, 24017, 29000, 255], [33002, 18, 23, 4, 17]], np.uint16)
TRAIN_IDS = np.array([[19, 0, 13, 13, 13], [2, 0, 11, 19, 19], [18, 19, 10, 19, 5]], np.uint8)
LABEL_IDS = np.array([[0, 7, 26, 26, 26], [11, 7, 24, 29, 34], [33, 18, 23, 4, 17]], np.uint8)
COLORS = {0: (128, 64, 128), 2: (70, 70, 70), 5: (153, 153, 153), 10: (70, 130, 180), 11: (220, 20, 60)} | {
    13: (0, 0, 142),
    18: (119, 11, 32),
    19: (0, 0, 0),
}


def photo(seed: int = 0, shape: tuple[int, int] = IDS.shape) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def add(root: Path, frame: str, *annotations: str, split: str = "train", seed: int | None = 0) -> None:
    """Write a frame: its photo, unless the seed is None, and the named annotations."""
    city = frame.partition("_")[0]
    if seed is not None:
        save(root / f"leftImg8bit/{split}/{city}/{frame}_leftImg8bit.png", photo(seed))
    contents = {"labelIds": IDS, "instanceIds": INSTANCES, "color": photo(99)}
    for name in annotations:
        save(root / f"gtFine/{split}/{city}/{frame}_gtFine_{name}.png", contents[name])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, "ulm_000015_000019", "labelIds", "instanceIds", "color", seed=1)
    add(tmp_path, "aachen_000001_000019", "labelIds", "instanceIds", seed=2)
    add(tmp_path, "aachen_000000_000019", "labelIds", "instanceIds", seed=3)
    add(tmp_path, "lindau_000054_000019", "labelIds", "instanceIds", split="val", seed=4)
    return tmp_path


def test_frames_are_paired_with_their_photos_and_sorted_by_city_sequence_and_frame(root):
    source = CityscapesOfficialSource(str(root), "train")
    assert [source[i].name for i in range(len(source))] == [
        "aachen_000000_000019_leftImg8bit.png",
        "aachen_000001_000019_leftImg8bit.png",
        "ulm_000015_000019_leftImg8bit.png",
    ]
    for index, seed in enumerate((3, 2, 1)):
        np.testing.assert_array_equal(source[index].a, photo(seed))
    assert [path.name for path in source.files(2)] == [
        "ulm_000015_000019_leftImg8bit.png",
        "ulm_000015_000019_gtFine_labelIds.png",
    ]
    assert len(source.missing) == 0
    with pytest.raises(IndexError):
        source[3]


def test_splits_are_folders(root):
    source = CityscapesOfficialSource(str(root), "val")
    assert [source[i].name for i in range(len(source))] == ["lindau_000054_000019_leftImg8bit.png"]


def test_labels_are_colors_of_the_evaluated_classes_and_black(root):
    source = CityscapesOfficialSource(str(root), "train")
    expected = np.array([[COLORS[train_id] for train_id in row] for row in TRAIN_IDS.tolist()], np.uint8)
    assert (source.b.kind, source.b.palette, source.b.network_channels) == ("colors", "cityscapes", 3)
    for index in range(3):
        assert source[index].b.dtype == np.uint8
        np.testing.assert_array_equal(source[index].b, expected)


@pytest.mark.parametrize(
    ("labels", "classes", "expected"), [("train_ids", 20, TRAIN_IDS), ("label_ids", 35, LABEL_IDS)]
)
def test_labels_may_be_numbers_of_classes(root, labels, classes, expected):
    source = CityscapesOfficialSource(str(root), "train", labels=labels)
    assert (source.b.kind, source.b.classes, source.b.network_channels) == ("ids", classes, classes)
    assert source[0].b.dtype == np.uint8
    np.testing.assert_array_equal(source[0].b, expected[..., None])


@pytest.mark.parametrize("labels", ["color", "train_ids", "label_ids"])
@pytest.mark.parametrize("kind", ["labelIds", "instanceIds"])
def test_either_annotation_alone_gives_the_same_labels(root, labels, kind):
    both = CityscapesOfficialSource(str(root), "train", labels=labels)[0].b
    for path in (root / "gtFine").rglob(f"*_{kind}.png"):
        path.unlink()
    source = CityscapesOfficialSource(str(root), "train", labels=labels)
    assert len(source) == 3
    assert source[0].b.dtype == both.dtype
    np.testing.assert_array_equal(source[0].b, both)


@pytest.mark.parametrize("labels", ["color", "train_ids", "label_ids"])
def test_with_boundaries_a_last_plane_holds_instance_numbers(root, labels):
    plain = CityscapesOfficialSource(str(root), "train", labels=labels)
    source = CityscapesOfficialSource(str(root), "train", labels=labels, instance_edges=True)
    pair = source[0]
    assert pair.b.dtype == np.uint16
    assert pair.b.shape[-1] == source.b.planes == plain.b.planes + 1
    np.testing.assert_array_equal(pair.b[..., :-1], plain[0].b)
    np.testing.assert_array_equal(pair.b[..., -1], INSTANCES)


def test_boundaries_are_between_instances_of_one_class_too(tmp_path):
    instances = np.repeat(np.array([[7, 7, 26001, 26001, 26002, 26002, 26002]], np.uint16), 3, 0)
    frame = "aachen_000000_000019"
    save(tmp_path / f"leftImg8bit/train/aachen/{frame}_leftImg8bit.png", photo(shape=(3, 7)))
    save(tmp_path / f"gtFine/train/aachen/{frame}_gtFine_instanceIds.png", instances)
    source = CityscapesOfficialSource(str(tmp_path), "train", instance_edges=True)
    finished = source.b.finish(source[0].b)
    assert finished.dtype == np.uint8
    np.testing.assert_array_equal(finished[..., :-1], [[COLORS[0]] * 2 + [COLORS[13]] * 5] * 3)
    np.testing.assert_array_equal(finished[..., -1], [[0, 255, 255, 255, 255, 0, 0]] * 3)


def test_boundaries_need_instances(root):
    for path in (root / "gtFine").rglob("*_instanceIds.png"):
        path.unlink()
    with pytest.raises(UserError, match=r"none of 3 photos .*instanceIds\.png in .*data\.source\.instance_edges=false"):
        CityscapesOfficialSource(str(root), "train", instance_edges=True)


def test_files_without_a_partner_are_left_out_and_reported_once(root, caplog):
    add(root, "bochum_000000_000313")
    add(root, "bochum_000001_000313", "color")
    add(root, "bochum_000002_000313", "labelIds", "instanceIds", seed=None)
    with caplog.at_level(logging.WARNING):
        source = CityscapesOfficialSource(str(root), "train")
    assert len(source) == 3
    assert [path.name for path in source.missing] == [
        "bochum_000000_000313_leftImg8bit.png",
        "bochum_000001_000313_leftImg8bit.png",
        "bochum_000002_000313_gtFine_labelIds.png",
    ]
    [record] = caplog.records
    assert record.getMessage().startswith("3 of 9 files have no partner (*_leftImg8bit.png with *_gtFine_labelIds.png")
    assert "bochum_000001_000313_leftImg8bit.png" in record.getMessage()


def test_nothing_is_reported_when_every_photo_has_a_partner(root, caplog):
    CityscapesOfficialSource(str(root), "train")
    assert caplog.text == ""


def test_archives_may_be_unpacked_into_folders_of_their_names(root):
    for name in ("leftImg8bit", "gtFine"):
        (root / f"{name}_trainvaltest").mkdir()
        (root / name).rename(root / f"{name}_trainvaltest" / name)
    assert len(CityscapesOfficialSource(str(root), "train")) == 3


@pytest.mark.parametrize("name", ["leftImg8bit", "gtFine"])
def test_the_folder_above_is_proposed_for_one_of_the_two(root, name):
    with pytest.raises(UserError, match=rf"{name} is one of the folders .*pass data\.root={root}$"):
        CityscapesOfficialSource(str(root / name), "train")


def test_what_is_missing_is_named_with_the_archive_that_has_it(root):
    (root / "gtFine").rename(root / "gtCoarse")
    with pytest.raises(UserError, match=r"no folder gtFine \(its folders: gtCoarse, leftImg8bit\).*gtFine_trainvalt.*"):
        CityscapesOfficialSource(str(root), "train")
    (root / "leftImg8bit").rename(root / "photos")
    message = r"no folder leftImg8bit or gtFine .*unzip leftImg8bit_trainvaltest\.zip and gtFine_trainvaltest\.zip"
    with pytest.raises(UserError, match=message):
        CityscapesOfficialSource(str(root), "train")


def test_a_missing_split_is_named_with_those_that_are_there(root):
    with pytest.raises(UserError, match=r"leftImg8bit has no folder 'test' \(its folders: train, val\)"):
        CityscapesOfficialSource(str(root), "test")


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}/nowhere does not exist"):
        CityscapesOfficialSource(f"{tmp_path}/nowhere", "train")
    with pytest.raises(UserError, match=r"data\.root is not set"):
        CityscapesOfficialSource(None, "train")


def test_two_files_of_one_frame_are_refused(root):
    save(root / "leftImg8bit/train/copy/ulm_000015_000019_leftImg8bit.png", photo())
    with pytest.raises(UserError, match=r"are both of frame ulm_000015_000019; expected one file a frame"):
        CityscapesOfficialSource(str(root), "train")


@pytest.mark.parametrize(("kind", "value"), [("labelIds", 34), ("instanceIds", 34), ("instanceIds", 34_001)])
def test_an_id_that_is_no_class_is_refused_with_file_and_value(root, kind, value):
    path = root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
    path.unlink()
    path = path.with_name(path.name.replace("labelIds", kind))
    ids = (IDS if kind == "labelIds" else INSTANCES).copy()
    ids[1, 1] = value
    save(path, ids)
    with pytest.raises(UserError, match=rf"{path.name} holds the value {value}\b.*expected"):
        CityscapesOfficialSource(str(root), "train")[0]


def test_partners_of_unequal_size_are_refused_with_both_sizes(root):
    save(root / "leftImg8bit/train/ulm/ulm_000015_000019_leftImg8bit.png", photo(shape=(4, 5)))
    with pytest.raises(UserError, match=r"leftImg8bit\.png is 5x4 pixels .*labelIds\.png is 5x3"):
        CityscapesOfficialSource(str(root), "train")[2]


def test_unknown_kinds_of_labels_are_refused(root):
    with pytest.raises(UserError, match=r"labels is 'polygons'; expected one of color, train_ids, label_ids"):
        CityscapesOfficialSource(str(root), "train", labels="polygons")


def test_settings_tell_the_kinds_of_labels_apart(root):
    sources = [
        CityscapesOfficialSource(str(root), "train", labels=labels, instance_edges=instance_edges)
        for labels in ("color", "train_ids", "label_ids")
        for instance_edges in (False, True)
    ]
    assert len({str(source.settings) for source in sources}) == 6
