"""Pairs as the two halves of one file."""

import numpy as np
import pytest

from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_a_is_the_left_half_and_b_the_right(tmp_path):
    image = noise(7, 12)
    write_image(tmp_path / "train/x.png", image)
    pair = AlignedSource(str(tmp_path), "train")[0]
    np.testing.assert_array_equal(pair.a, image[:, :6])
    np.testing.assert_array_equal(pair.b, image[:, 6:])
    assert pair.name == "x.png"


def test_pairs_come_in_the_order_of_their_names_from_their_own_split(tmp_path):
    for seed, name in enumerate(["train/b.png", "train/a.bmp", "val/c.png"]):
        write_image(tmp_path / name, noise(2, 4, seed))
    source = AlignedSource(str(tmp_path), "train")
    assert [source[i].name for i in range(len(source))] == ["a.bmp", "b.png"]
    np.testing.assert_array_equal(source[0].a, noise(2, 4, 1)[:, :2])
    with pytest.raises(IndexError):
        source[2]


def test_an_odd_width_is_refused_with_file_and_size(tmp_path):
    write_image(tmp_path / "val/odd.png", noise(8, 13))
    source = AlignedSource(str(tmp_path), "val")
    with pytest.raises(UserError, match=r"odd\.png is 13x8 pixels \(width x height\); expected an even width"):
        source[0]


def test_a_damaged_file_is_named_when_it_is_read(tmp_path):
    write_image(tmp_path / "val/good.png", noise(2, 4))
    (tmp_path / "val/bad.png").write_bytes(b"\x89PNG\r\n")
    source = AlignedSource(str(tmp_path), "val")
    assert source[1].name == "good.png"
    with pytest.raises(UserError, match=r"val/bad\.png cannot be read"):
        source[0]


def test_no_root_is_refused():
    with pytest.raises(UserError, match=r"data\.root is not set.*pass data\.root="):
        AlignedSource(None, "train")


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}/nowhere does not exist.*check data\.root"):
        AlignedSource(f"{tmp_path}/nowhere", "train")


def test_a_file_as_root_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"notes\.txt is a file"):
        AlignedSource(f"{tmp_path}/notes.txt", "train")


def test_a_missing_split_is_named_with_the_folders_that_are_there(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"no folder 'val' \(its folders: test, train\).*data\.val_split"):
        AlignedSource(str(tmp_path), "val")


def test_an_empty_split_is_named(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=r"train holds no image; expected files ending in \.jpg"):
        AlignedSource(str(tmp_path), "train")


def test_a_root_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_image(tmp_path / "pairs/train/x.png", noise(2, 4))
    assert len(AlignedSource("~/pairs", "train")) == 1


def test_halves_are_read_as_their_types(tmp_path):
    image = np.array([[[1], [60000], [70], [65535]]], np.uint16)
    write_image(tmp_path / "train/x.tif", image)
    a, b = ImageType(channels=1, dtype="uint16"), ImageType(channels=1, dtype="uint16", range=(0, 100))
    source = AlignedSource(str(tmp_path), "train", a, b)
    np.testing.assert_array_equal(source[0].a, image[:, :2])
    np.testing.assert_array_equal(source[0].b, image[:, 2:])
    assert (source.a, source.b) == (a, b)
    assert source.files(0) == (tmp_path / "train/x.tif",)


def test_transparent_photos_are_blended_with_the_background_and_transparent_labels_are_not(tmp_path):
    image = np.full((1, 2, 4), 200, np.uint8)
    image[..., 3] = 153
    write_image(tmp_path / "train/x.png", image)
    photo, labels = (ImageType(kind=kind, background=[0, 0, 0]) for kind in ("continuous", "colors"))
    pair = AlignedSource(str(tmp_path), "train", photo, labels)[0]
    assert (pair.a.tolist(), pair.b.tolist()) == ([[[120] * 3]], [[[200] * 3]])


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (ImageType(channels=1), r"x\.png has 3 channels; expected one channel, or equal ones"),
        (ImageType(dtype="uint16"), r"x\.png holds 8-bit integers \(uint8\); expected uint16"),
        (ImageType(kind="ids", channels=1, classes=9), r"x\.png has 3 channels; .*if colours stand for classes"),
        (ImageType(kind="colors", instance_edges=True), r"x\.png has 3 channels; expected 4"),
    ],
)
def test_a_half_that_is_not_of_its_type_is_refused(tmp_path, b, message):
    write_image(tmp_path / "train/x.png", noise(2, 4))
    with pytest.raises(UserError, match=message):
        AlignedSource(str(tmp_path), "train", b=b)[0]


def test_halves_may_be_of_different_types(tmp_path):
    photo, classes = noise(4, 6), np.random.default_rng(1).integers(0, 3, (4, 6, 1), np.uint8)
    write_image(tmp_path / "train/x.png", np.concatenate([photo, classes.repeat(3, -1)], 1))
    source = AlignedSource(str(tmp_path), "train", b=ImageType(kind="ids", channels=1, classes=3))
    np.testing.assert_array_equal(source[0].a, photo)
    np.testing.assert_array_equal(source[0].b, classes)


def test_colours_of_the_pix2pix_archive_become_classes_also_where_jpeg_has_changed_them(tmp_path):
    road, car, void = (128, 64, 128), (0, 0, 142), (0, 0, 0)
    labels = np.array([[road] * 16 + [car] * 16 + [void] * 16] * 32, np.uint8)
    write_image(tmp_path / "val/1.jpg", np.concatenate([noise(32, 48), labels], 1))
    b = ImageType(kind="ids", channels=1, classes=20, values="cityscapes_colors", void=19)
    pair = AlignedSource(str(tmp_path), "val", b=b)[0]
    assert pair.b.shape == (32, 48, 1)
    np.testing.assert_array_equal(pair.b[:, [3, 20, 40], 0], [[0, 13, 19]] * 32)
