"""Pairs as two folders of files with the same stems."""

import logging

import numpy as np
import pytest

from pix2pix_lit.data.sources import FoldersSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images import write_image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(root, *names, size=(4, 5)):
    for seed, name in enumerate(names):
        write_image(root / name, noise(*size, seed))


def test_files_are_paired_by_stem_whatever_their_suffixes(tmp_path):
    write(tmp_path, "train/A/x.png", "train/A/y.bmp", "train/B/y.webp", "train/B/x.tif")
    source = FoldersSource(str(tmp_path), "train")
    assert [source[i].name for i in range(len(source))] == ["x.png", "y.bmp"]
    np.testing.assert_array_equal(source[0].a, noise(4, 5, 0))
    np.testing.assert_array_equal(source[0].b, noise(4, 5, 3))
    np.testing.assert_array_equal(source[1].a, noise(4, 5, 1))
    np.testing.assert_array_equal(source[1].b, noise(4, 5, 2))
    assert source.missing == []


def test_pairs_come_in_the_order_of_their_stems(tmp_path):
    stems = [f"{i:02d}" for i in range(20)]
    write(tmp_path, *(f"train/{folder}/{stem}.bmp" for stem in reversed(stems) for folder in "AB"))
    assert [a.stem for a, _ in FoldersSource(str(tmp_path), "train").pairs] == stems


def test_nothing_is_reported_when_every_file_has_a_partner(tmp_path, caplog):
    write(tmp_path, "train/A/x.png", "train/B/x.png")
    FoldersSource(str(tmp_path), "train")
    assert caplog.text == ""


def test_dots_within_a_name_belong_to_the_stem(tmp_path):
    write(tmp_path, "train/A/x.1.png", "train/A/x.2.png", "train/B/x.2.bmp")
    source = FoldersSource(str(tmp_path), "train")
    assert [pair[0].name for pair in source.pairs] == ["x.2.png"]


def test_files_without_a_partner_are_left_out_and_reported(tmp_path, caplog):
    write(tmp_path, "val/A/x.png", "val/A/lonely.png", "val/B/x.png", "val/B/alone.png")
    with caplog.at_level(logging.WARNING):
        source = FoldersSource(str(tmp_path), "val")
    assert len(source) == 1
    assert [path.name for path in source.missing] == ["lonely.png", "alone.png"]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("2 of 4 files have no partner of the same stem and are left out: ")
    assert "A/lonely.png" in message
    assert "B/alone.png" in message


def test_a_long_report_is_cut(tmp_path, caplog):
    write(tmp_path, "val/A/x.png", "val/B/x.png", *(f"val/A/lonely{i}.png" for i in range(7)))
    source = FoldersSource(str(tmp_path), "val")
    assert len(source.missing) == 7
    assert caplog.text.count("lonely") == 5
    assert caplog.text.rstrip().endswith(", ...")


def test_no_pair_at_all_is_refused_with_an_example(tmp_path):
    write(tmp_path, "train/A/x_real.png", "train/B/x_labels.png")
    with pytest.raises(UserError, match=r"no file in .*A has a partner.*x_real\.png and x_labels\.png"):
        FoldersSource(str(tmp_path), "train")


def test_two_files_of_one_stem_are_refused(tmp_path):
    write(tmp_path, "train/A/x.png", "train/B/x.bmp", "train/B/x.png")
    with pytest.raises(UserError, match=r"B/x\.bmp and .*B/x\.png share a stem.*remove or rename one"):
        FoldersSource(str(tmp_path), "train")


def test_partners_of_unequal_size_are_refused_with_both_sizes(tmp_path):
    write(tmp_path, "train/A/x.png", size=(4, 5))
    write(tmp_path, "train/B/x.bmp", size=(4, 7))
    source = FoldersSource(str(tmp_path), "train")
    message = r"A/x\.png is 5x4 pixels \(width x height\) but its partner .*B/x\.bmp is 7x4"
    with pytest.raises(UserError, match=message):
        source[0]


def test_folders_may_be_named_in_other_ways(tmp_path):
    write(tmp_path, "trainA/x.png", "trainB/x.png", "valA/y.png", "valB/y.png")
    for split, name in (("train", "x.png"), ("val", "y.png")):
        source = FoldersSource(str(tmp_path), split, a_folder="{split}A", b_folder="{split}B")
        assert [pair[0].name for pair in source.pairs] == [name]


def test_a_missing_folder_is_named_with_those_beside_it(tmp_path):
    write(tmp_path, "train/A/x.png", "train/labels/x.png")
    with pytest.raises(UserError, match=r"train has no folder 'B' \(its folders: A, labels\)"):
        FoldersSource(str(tmp_path), "train")


def test_a_missing_split_is_named_with_those_that_are_there(tmp_path):
    write(tmp_path, "train/A/x.png", "train/B/x.png")
    with pytest.raises(UserError, match=rf"{tmp_path} has no folder 'val' \(its folders: train\)"):
        FoldersSource(str(tmp_path), "val")


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}/nowhere does not exist"):
        FoldersSource(f"{tmp_path}/nowhere", "train")
