"""Pairs as files of two folders."""

import logging
import re
import unicodedata

import numpy as np
import pytest

from pix2pix_lit.data.sources.folders import FoldersSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType


def test_files_of_one_name_and_two_endings_are_told_apart_by_the_pattern_that_is_proposed(tmp_path):
    for name in ("train/A/x.jpg", "train/A/x.png", "train/B/x.png"):
        write_image(tmp_path / name, np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(UserError, match=r"A/x\.jpg and .*A/x\.png have the same key 'x'") as error:
        FoldersSource(str(tmp_path), "train")
    proposed = re.findall(r"'data\.source\.(a_pattern)=([^']*)'", str(error.value))
    assert [pattern for _, pattern in proposed] == [r"(.+)\.jpg", r"(.+)\.png"]
    for option, pattern in proposed:
        [(a, b)] = [FoldersSource(str(tmp_path), "train", **{option: pattern}).files(0)]
        assert (a.suffix, b.name) == (pattern[-4:], "x.png")


def test_photos_and_labels_of_one_name_in_one_folder_are_pairs_by_the_line_that_is_proposed(tmp_path):
    for number in range(3):
        for ending in ("jpg", "png"):
            write_image(tmp_path / f"{number}.{ending}", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(UserError, match=r"have the same key") as error:
        FoldersSource(str(tmp_path), "train", a_folder=".", b_folder=".", fractions={"train": 0.9, "val": 0.1})
    patterns = dict(re.findall(r"'data\.source\.(._pattern)=([^']*)'", str(error.value).rpartition("type\n")[2]))
    assert patterns == {"a_pattern": r"(.+)\.jpg", "b_pattern": r"(.+)\.png"}
    source = FoldersSource(str(tmp_path), "train", a_folder=".", b_folder=".", **patterns, fractions={"train": 1})
    assert [path.name for path in source.files(1)] == ["1.jpg", "1.png"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_look_the_same_are_the_same(tmp_path, forms):
    for folder, form in zip("AB", forms, strict=True):
        name = f"{unicodedata.normalize(form, 'é/ü')}.png"
        write_image(tmp_path / "train" / folder / name, np.zeros((2, 3, 3), np.uint8))
    (tmp_path / "train.txt").write_text(unicodedata.normalize(forms[1], "é/ü\n"), "utf-8")
    lists = {"train": "train.txt"}
    source = FoldersSource(str(tmp_path), "train", a_folder="train/A", b_folder="train/B", lists=lists)
    assert list(source.missing) == []
    pair = source[0]
    assert unicodedata.normalize("NFC", pair.name) == "é/ü.png"


def test_two_files_of_one_folder_that_look_the_same_are_told(tmp_path):
    for form in ("NFC", "NFD"):
        for folder in "AB":
            name = f"train/{folder}/{unicodedata.normalize(form, 'é')}.png"
            write_image(tmp_path / name, np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(UserError, match="their names look the same, but one has its accents as separate characters"):
        FoldersSource(str(tmp_path), "train")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(root, *names, size=(4, 5)):
    for seed, name in enumerate(names):
        write_image(root / name, noise(*size, seed))


def names(source):
    """The files of all pairs within the folder of the data set."""
    return [tuple(path.name for path in source.files(index)) for index in range(len(source))]


SUFFIXES = {"a_pattern": "(.+)_A", "b_pattern": "(.+)_B"}
ONE_FOLDER = {"a_folder": "{split}", "b_folder": "{split}", **SUFFIXES}


def test_files_are_paired_by_stem_whatever_their_endings(tmp_path):
    write(tmp_path, "train/A/x.png", "train/A/y.bmp", "train/B/y.webp", "train/B/x.tif")
    source = FoldersSource(str(tmp_path), "train")
    assert [source[i].name for i in range(len(source))] == ["x.png", "y.bmp"]
    np.testing.assert_array_equal(source[0].a, noise(4, 5, 0))
    np.testing.assert_array_equal(source[0].b, noise(4, 5, 3))
    np.testing.assert_array_equal(source[1].a, noise(4, 5, 1))
    np.testing.assert_array_equal(source[1].b, noise(4, 5, 2))
    assert list(source.missing) == []


def test_every_side_is_read_as_its_own_type(tmp_path):
    heights, classes = np.array([[[1], [60000]]], np.uint16), np.array([[[2], [0]]], np.uint8)
    write_image(tmp_path / "val/A/x.tif", heights)
    write_image(tmp_path / "val/B/x.png", classes)
    a, b = ImageType(channels=1, dtype="uint16"), ImageType(kind="ids", channels=1, classes=3)
    source = FoldersSource(str(tmp_path), "val", a, b)
    np.testing.assert_array_equal(source[0].a, heights)
    np.testing.assert_array_equal(source[0].b, classes)
    assert (source.a, source.b) == (a, b)


def test_partners_lie_in_equal_sub_folders(tmp_path):
    write(tmp_path, *(f"train/{side}/{city}/{name}.png" for side in "AB" for city in ("ulm", "bonn") for name in "xy"))
    source = FoldersSource(str(tmp_path), "train")
    assert [source[i].name for i in range(4)] == ["bonn/x.png", "bonn/y.png", "ulm/x.png", "ulm/y.png"]
    for index in range(4):
        a_path, b_path = source.files(index)
        assert b_path == tmp_path / "train/B" / a_path.relative_to(tmp_path / "train/A")


def test_pairs_come_in_the_order_of_their_stems(tmp_path):
    stems = [f"{i:02d}" for i in range(20)]
    write(tmp_path, *(f"train/{folder}/{stem}.bmp" for stem in reversed(stems) for folder in "AB"))
    source = FoldersSource(str(tmp_path), "train")
    assert names(source) == [(f"{stem}.bmp", f"{stem}.bmp") for stem in stems]


def test_dots_within_a_name_belong_to_the_stem(tmp_path):
    write(tmp_path, "train/A/x.1.png", "train/A/x.2.png", "train/B/x.2.bmp")
    assert names(FoldersSource(str(tmp_path), "train")) == [("x.2.png", "x.2.bmp")]


def test_indices_beyond_the_pairs_are_refused(tmp_path):
    write(tmp_path, "train/A/x.png", "train/B/x.png")
    source = FoldersSource(str(tmp_path), "train")
    for index in (-1, 1):
        with pytest.raises(IndexError):
            source[index]


@pytest.mark.parametrize(
    ("a_pattern", "b_pattern", "a_file", "b_file"),
    [
        ("(.+)_A", "(.+)_B", "x_A.png", "x_B.png"),
        ("(.+)_leftImg8bit", "(.+)_gtFine_color", "ulm/ulm_1_leftImg8bit.png", "ulm/ulm_1_gtFine_color.png"),
        ("(.+)", "label_(.+)", "7.png", "label_7.png"),
        (r".*?(\d+)", r".*?(\d+)", "left/photo12.png", "deep/er/label12.png"),
        (r"(\w+)_(\d+)", r"(\w+)/(\d+)", "ulm_3.png", "ulm/3.png"),
        (r"(?P<city>\w+)_(?P<frame>\d+)", r"(?P<frame>\d+)-(?P<city>\w+)-(fine|coarse)", "ulm_3.png", "3-ulm-fine.png"),
        ("(.+?)(?:_(?:wet|dry))?", "(.+)", "road_wet.png", "road.png"),
        (r"(wet_)?(\d)", r"(wet_)?(\d)", "7.png", "7.bmp"),
    ],
)
def test_partners_are_what_the_patterns_capture_alike(tmp_path, a_pattern, b_pattern, a_file, b_file):
    write(tmp_path, f"train/A/{a_file}", "train/A/other9999.bmp", f"train/B/{b_file}", "train/B/else.8888.bmp")
    source = FoldersSource(str(tmp_path), "train", a_pattern=a_pattern, b_pattern=b_pattern)
    assert names(source) == [(a_file.rpartition("/")[2], b_file.rpartition("/")[2])]
    assert sorted(path.name for path in source.missing) == ["else.8888.bmp", "other9999.bmp"]


def test_a_pattern_must_match_the_whole_name(tmp_path):
    write(tmp_path, "train/A/x_A.png", "train/A/x_Aux.png", "train/B/x_B.png", "train/B/not_x_B.png")
    source = FoldersSource(str(tmp_path), "train", **SUFFIXES)
    assert names(source) == [("x_A.png", "x_B.png")]


def test_both_sides_may_be_in_one_folder(tmp_path, caplog):
    write(tmp_path, *(f"train/{name}_{side}.png" for name in ("u/x", "y") for side in "AB"))
    source = FoldersSource(str(tmp_path), "train", **ONE_FOLDER)
    assert names(source) == [("x_A.png", "x_B.png"), ("y_A.png", "y_B.png")]
    assert list(source.missing) == []
    assert caplog.text == ""


def test_in_one_folder_only_files_in_no_pair_are_missing(tmp_path, caplog):
    write(tmp_path, *(f"train/{name}.png" for name in ("x_A", "x_B", "lonely_A", "alone_B", "other")))
    source = FoldersSource(str(tmp_path), "train", **ONE_FOLDER)
    assert [path.name for path in source.missing] == ["alone_B.png", "lonely_A.png", "other.png"]
    assert caplog.text.count("3 of 5 files have no partner") == 1


def test_photos_and_labels_that_differ_in_their_ending_alone_can_be_told_apart(tmp_path):
    write(tmp_path, "train/x.jpg", "train/x.png", "train/y.1.jpg", "train/y.1.png")
    patterns = {"a_pattern": r"(.+)\.jpg", "b_pattern": r"(.+)\.png"}
    source = FoldersSource(str(tmp_path), "train", a_folder="{split}", b_folder="{split}", **patterns)
    assert names(source) == [("x.jpg", "x.png"), ("y.1.jpg", "y.1.png")]


def test_a_file_that_would_be_its_own_partner_is_refused_with_patterns_to_try(tmp_path):
    write(tmp_path, *(f"train/{name}_{side}.png" for name in "xy" for side in "AB"))
    message = r"train/x_A\.png would be both A and B.*try data\.source\.a_pattern='\(\.\+\)_A' .*b_pattern='\(\.\+\)_B'"
    with pytest.raises(UserError, match=message):
        FoldersSource(str(tmp_path), "train", a_folder="{split}", b_folder="{split}")


def test_a_file_in_the_middle_of_two_pairs_is_refused(tmp_path):
    write(tmp_path, "train/x.png", "train/x_B.png", "train/x_B_B.png")
    with pytest.raises(UserError, match=r"x_B\.png would be both A and B"):
        FoldersSource(str(tmp_path), "train", a_folder="{split}", b_folder="{split}", b_pattern="(.+)_B")


def test_nothing_is_reported_when_every_file_has_a_partner(tmp_path, caplog):
    write(tmp_path, "train/A/x.png", "train/B/x.png")
    FoldersSource(str(tmp_path), "train")
    assert caplog.text == ""


def test_files_without_a_partner_are_left_out_and_reported(tmp_path, caplog):
    write(tmp_path, *(f"val/{name}.png" for name in ("A/x", "B/x", "A/y", "B/y", "A/lonely", "B/alone")))
    with caplog.at_level(logging.WARNING):
        source = FoldersSource(str(tmp_path), "val")
    assert names(source) == [("x.png", "x.png"), ("y.png", "y.png")]
    assert [path.name for path in source.missing] == ["lonely.png", "alone.png"]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("2 of 6 files have no partner and are left out: ")
    assert "A/lonely.png" in message
    assert "B/alone.png" in message


def test_a_long_report_is_cut_and_says_that_most_files_are_left_out(tmp_path, caplog):
    write(tmp_path, "val/A/x.png", "val/B/x.png", *(f"val/A/lonely{i}.png" for i in range(7)))
    source = FoldersSource(str(tmp_path), "val")
    assert len(source.missing) == 7
    assert caplog.text.count("lonely") == 5
    assert caplog.text.rstrip().endswith(", ...")
    assert "left out; that is most of them: check a_pattern and b_pattern: " in caplog.text


@pytest.mark.parametrize(
    ("a_files", "b_files", "a_pattern", "b_pattern"),
    [
        (["x_real", "y_real"], ["x_labels", "y_labels"], r"(.+)_real", r"(.+)_labels"),
        (["x", "y"], ["x.mask", "y.mask"], r"(.+)", r"(.+)\.mask"),
        (
            ["ulm/ulm_1_leftImg8bit", "ulm/ulm_2_leftImg8bit"],
            [f"ulm/ulm_{i}_gtFine_{kind}" for i in (1, 2) for kind in ("color", "labelIds")],
            r"(.+)_leftImg8bit",
            r"(.+)_gtFine_color",
        ),
        (["photo-1", "photo-2"], ["label-1", "label-2"], r"photo\-(.+)", r"label\-(.+)"),
        (["1", "2"], ["sub/1", "sub/2"], r"(.+)", r"sub/(.+)"),
    ],
)
def test_when_nothing_pairs_patterns_that_would_are_proposed_and_work(tmp_path, a_files, b_files, a_pattern, b_pattern):
    write(tmp_path, *(f"train/A/{name}.png" for name in a_files), *(f"train/B/{name}.png" for name in b_files))
    with pytest.raises(UserError, match="no file in .*A has a partner") as refused:
        FoldersSource(str(tmp_path), "train")
    assert str(refused.value).endswith(f"try data.source.a_pattern='{a_pattern}' data.source.b_pattern='{b_pattern}'")
    assert len(FoldersSource(str(tmp_path), "train", a_pattern=a_pattern, b_pattern=b_pattern)) == 2


def test_for_a_single_file_the_shortest_patterns_are_proposed(tmp_path):
    kinds = ("gtFine_color", "gtFine_instanceIds", "gtFine_labelIds")
    write(tmp_path, "train/A/ulm/ulm_0_1_leftImg8bit.png", *(f"train/B/ulm/ulm_0_1_{kind}.png" for kind in kinds))
    with pytest.raises(UserError, match=r"a_pattern='\(\.\+\)_leftImg8bit' .*b_pattern='\(\.\+\)_gtFine_color'"):
        FoldersSource(str(tmp_path), "train")


def test_no_pair_at_all_is_refused_with_an_example_of_both_sides(tmp_path):
    write(tmp_path, "train/A/_x.png", "train/B/_y.png")
    message = (
        r"no file in .*A has a partner in .*B \(found for example _x\.png and _y\.png\).*rename the files, or pass"
    )
    with pytest.raises(UserError, match=message):
        FoldersSource(str(tmp_path), "train")


def test_two_files_of_one_stem_are_refused(tmp_path):
    write(tmp_path, "train/A/x.png", "train/B/x.bmp", "train/B/x.png")
    with pytest.raises(UserError, match=r"B/x\.bmp and .*B/x\.png have the same key 'x'.*remove or rename one"):
        FoldersSource(str(tmp_path), "train")


def test_two_files_of_which_a_pattern_captures_the_same_are_refused(tmp_path):
    write(tmp_path, "train/A/1.png", "train/B/u/1.png", "train/B/v/1.png")
    with pytest.raises(UserError, match=r"u/1\.png and .*v/1\.png have the same key '1' by the pattern"):
        FoldersSource(str(tmp_path), "train", b_pattern=r".*?(\d+)")


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"a_pattern": "(.+"}, r"a_pattern=\(\.\+ is no regular expression \(.*unterminated.*for example \(\.\+\)_A"),
        ({"b_pattern": ".+_B"}, r"b_pattern=\.\+_B has no group; expected one around the part that partners share"),
        ({"a_pattern": "(.+)_(.+)"}, "have different groups; expected the same number of groups"),
        ({"a_pattern": "(?P<key>.+)"}, "groups of the same names"),
    ],
)
def test_patterns_that_cannot_work_are_refused(tmp_path, patterns, message):
    write(tmp_path, "train/A/x.png", "train/B/x.png")
    with pytest.raises(UserError, match=message):
        FoldersSource(str(tmp_path), "train", **patterns)


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
        assert names(source) == [(name, name)]


def test_fractions_divide_two_folders(tmp_path):
    write(tmp_path, *(f"{side}/{i:02d}.png" for side in ("photos", "labels") for i in range(20)), size=(1, 1))
    options = {"a_folder": "photos", "b_folder": "labels", "fractions": {"train": 0.75, "val": 0.25}}
    train, val = (FoldersSource(str(tmp_path), split, **options) for split in ("train", "val"))
    assert (len(train), len(val)) == (15, 5)
    assert len({*names(train), *names(val)}) == 20
    assert all(a == b for a, b in names(val))
    assert names(FoldersSource(str(tmp_path), "val", **options, split_seed=1)) != names(val)
    assert train.settings != val.settings  # or one cache would take the place of the other


def test_lists_name_what_partners_share(tmp_path):
    write(tmp_path, *(f"{name}_{side}.png" for name in ("u/x", "y", "z") for side in "AB"))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text("u/x\nz.png\n")
    (tmp_path / "splits/val.txt").write_text("y\n")
    lists = {split: f"splits/{split}.txt" for split in ("train", "val")}
    options = {"a_folder": ".", "b_folder": ".", "lists": lists, **SUFFIXES}
    assert names(FoldersSource(str(tmp_path), "train", **options)) == [("x_A.png", "x_B.png"), ("z_A.png", "z_B.png")]
    assert names(FoldersSource(str(tmp_path), "val", **options)) == [("y_A.png", "y_B.png")]


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
