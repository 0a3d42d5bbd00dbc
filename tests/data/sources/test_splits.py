"""Which pairs are in which split."""

import itertools
import random

import pytest

from pix2pix_lit.data.sources.splits import members, split_folder, split_folders
from pix2pix_lit.errors import UserError

KEYS = [f"street/{number:04d}" for number in range(1000)]
FRACTIONS = {"train": 0.7, "val": 0.2, "test": 0.1}


def chosen(keys, split, *arguments, **options):
    return [keys[index] for index in members(keys, split, *arguments, **options)]


def test_without_fractions_and_lists_everything_is_in_the_split():
    assert members(["x", "y"], "whatever") == [0, 1]


def test_fractions_divide_into_disjoint_parts_of_just_these_shares():
    parts = [chosen(KEYS, split, FRACTIONS) for split in FRACTIONS]
    assert [len(part) for part in parts] == [700, 200, 100]
    assert sorted(itertools.chain(*parts)) == KEYS


@pytest.mark.parametrize("count", [*range(4, 30), 101])
def test_rounding_neither_loses_nor_doubles_a_pair(count):
    parts = [chosen(KEYS[:count], split, {"a": 0.3, "b": 0.3, "c": 0.4}) for split in "abc"]
    assert sorted(itertools.chain(*parts)) == KEYS[:count]
    assert all(abs(len(part) - share * count) <= 1 for part, share in zip(parts, (0.3, 0.3, 0.4), strict=True))


def test_what_fractions_leave_over_is_in_no_split():
    parts = [chosen(KEYS, split, {"train": 0.5, "val": 0.1}) for split in ("train", "val")]
    assert [len(part) for part in parts] == [500, 100]
    assert not set(parts[0]) & set(parts[1])


def test_a_part_keeps_the_order_of_the_keys_but_not_a_run_of_them():
    part = members(KEYS, "val", FRACTIONS)
    assert part == sorted(part)
    assert sum(index < 500 for index in part) in range(70, 130)


def test_the_order_of_keys_and_of_fractions_does_not_matter():
    shuffled = random.Random(0).sample(KEYS, len(KEYS))
    backwards = dict(reversed(FRACTIONS.items()))
    for split in FRACTIONS:
        assert set(chosen(KEYS, split, FRACTIONS)) == set(chosen(shuffled, split, backwards))


def test_the_division_is_the_same_in_every_release_and_on_every_machine():
    keys = [f"{number}" for number in range(10)] + ["ü", "\udcff"]
    assert chosen(keys, "val", {"train": 0.75, "val": 0.25}) == ["0", "1", "5"]


def test_another_seed_divides_in_another_way():
    assert members(KEYS, "val", FRACTIONS, split_seed=1) != members(KEYS, "val", FRACTIONS)


def test_most_keys_stay_where_they_are_when_some_are_added():
    more = KEYS + [f"new/{number}" for number in range(50)]
    before, after = set(chosen(KEYS, "val", FRACTIONS)), set(chosen(more, "val", FRACTIONS))
    assert len(before & after) > 0.9 * len(before)


@pytest.mark.parametrize(
    "fractions",
    [
        {"train": 0},
        {"train": -0.1},
        {"train": True},
        {"train": "0.9"},
        {"train": None},
        {"train": float("nan")},
        {"train": float("inf")},
        {"train": 0.9, "val": 0.2},
        {"train": 90, "val": 10},
    ],
)
def test_what_are_no_fractions_is_refused(fractions):
    with pytest.raises(UserError, match=r"fractions is \{'train'.*expected shares above 0 with a sum of at most 1"):
        members(KEYS, "train", fractions)


def test_shares_that_are_one_but_for_rounding_are_accepted():
    shares = {"a": 0.1, "b": 0.2, "train": 0.7, "c": 1e-12}
    assert sum(shares.values()) > 1
    assert len(members(KEYS, "train", shares)) == 700


@pytest.mark.parametrize("option", ["fractions", "lists"])
def test_a_split_that_is_not_divided_is_named_with_those_that_are(option):
    with pytest.raises(UserError, match=rf"{option} has no split 'val' \(its splits: train, dev\).*data\.val_split"):
        members(KEYS, "val", **{option: {"train": 0.5, "dev": 0.5}})


@pytest.mark.parametrize("option", ["fractions", "lists"])
@pytest.mark.parametrize("value", [0.9, "train.txt", ["train"], {0: 0.5}])
def test_what_is_no_mapping_of_splits_is_refused(option, value):
    with pytest.raises(UserError, match=rf"{option} is .*expected a value for each split"):
        members(KEYS, "train", **{option: value})


def test_a_fraction_without_any_pair_is_refused():
    with pytest.raises(UserError, match=r"'val': 0\.1.*leaves split 'val' without any of 4 pairs.*a larger share"):
        members(KEYS[:4], "val", {"train": 0.9, "val": 0.1})


def test_fractions_and_lists_together_are_refused():
    with pytest.raises(UserError, match="fractions and data.source.lists are both set"):
        members(KEYS, "train", {"train": 1.0}, lists={"train": "train.txt"})


def write_lists(folder, **lists):
    for split, text in lists.items():
        (folder / f"{split}.txt").write_text(text, encoding="utf-8")
    return {split: f"{split}.txt" for split in lists}


def test_lists_name_keys_with_or_without_an_ending(tmp_path):
    lists = write_lists(
        tmp_path,
        train="\ufeff# the training pairs\nx.1\n\n  a/ü.JPG  \r\n./y\n",
        val="z\n",
    )
    keys = ["a/ü", "b/ü", "x", "x.1", "y", "z"]
    assert chosen(keys, "train", lists=lists, root=str(tmp_path)) == ["a/ü", "x.1", "y"]
    assert chosen(keys, "val", lists=lists, root=tmp_path) == ["z"]


def test_lists_may_be_anywhere(tmp_path):
    write_lists(tmp_path, train="x")
    assert members(["x", "y"], "train", lists={"train": f"{tmp_path}/train.txt"}, root="/nowhere") == [0]


def test_listed_names_that_no_pair_has_are_refused_with_examples_of_both(tmp_path):
    lists = write_lists(tmp_path, train="k1\nnone1\nnone2.png\nk0.txt\nnone4", val="k2")
    message = (
        r"train\.txt lists 4 of 5 names that no pair has, for example none1, none2\.png, k0\.txt, \.\.\.; "
        r"expected names such as k0, k1, k2:"
    )
    with pytest.raises(UserError, match=message):
        members(["k0", "k1", "k2"], "val", lists=lists, root=tmp_path)


def test_a_name_in_two_lists_is_refused(tmp_path):
    lists = write_lists(tmp_path, train="x\ny", val="y.png")
    with pytest.raises(UserError, match="y is in the lists of both 'train' and 'val'"):
        members(["x", "y"], "train", lists=lists, root=tmp_path)


def test_a_name_twice_in_a_list_is_one_pair(tmp_path):
    lists = write_lists(tmp_path, train="x\nx.png\n")
    assert members(["x", "y"], "train", lists=lists, root=tmp_path) == [0]


def test_an_empty_list_is_refused(tmp_path):
    lists = write_lists(tmp_path, train="x", val="# nothing yet\n")
    with pytest.raises(UserError, match=r"val\.txt lists no name"):
        members(["x", "y"], "val", lists=lists, root=tmp_path)


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"train\.txt cannot be read .*check data\.source\.lists"):
        members(["x"], "train", lists={"train": "train.txt"}, root=tmp_path)
    (tmp_path / "train.txt").write_bytes(b"x\0y")
    with pytest.raises(UserError, match=r"train\.txt holds NUL characters; expected text in UTF-8"):
        members(["x"], "train", lists={"train": "train.txt"}, root=tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_lists_are_read_in_the_encodings_that_programs_write(tmp_path, encoding):
    (tmp_path / "train.txt").write_bytes("ü.png\r\n".encode(encoding))
    assert members(["x", "ü"], "train", lists={"train": "train.txt"}, root=tmp_path) == [1]


def test_the_name_of_the_split_is_put_in_where_it_is_asked_for(tmp_path):
    for name in ("images/val{x}", "labels", "val"):
        (tmp_path / name).mkdir(parents=True)
    folders = split_folders(f"{tmp_path}", "val", False, a_folder="images/{split}{x}", b_folder="labels")
    assert folders == [tmp_path / "images/val{x}", tmp_path / "labels"]
    assert split_folders(f"{tmp_path}", "val", True, a_folder="images", b_folder="labels")[0] == tmp_path / "images"


def test_the_same_folders_for_all_splits_are_refused_unless_divided(tmp_path):
    (tmp_path / "A").mkdir()
    with pytest.raises(UserError, match=r"a_folder=A is the same for all splits.*fractions=\{train:0\.9,val:0\.1\}"):
        split_folders(f"{tmp_path}", "train", False, a_folder="A")


def test_divided_folders_with_the_name_of_the_split_are_refused(tmp_path):
    message = (
        r"a_folder=\{split\}/A data\.source\.b_folder=\{split\}B has a folder for each split.*"
        r"pass for example data\.source\.a_folder=A data\.source\.b_folder=B"
    )
    with pytest.raises(UserError, match=message):
        split_folders(f"{tmp_path}", "train", True, a_folder="{split}/A", b_folder="{split}B")
    with pytest.raises(UserError, match=r"has a folder for each split"):
        split_folders(f"{tmp_path}", "train", True, a_folder="A", b_folder="{split}B")


def test_a_missing_folder_deep_down_is_named_with_those_beside_it(tmp_path):
    (tmp_path / "val/photos").mkdir(parents=True)
    with pytest.raises(UserError, match=r"val has no folder 'labels' \(its folders: photos\)"):
        split_folder(f"{tmp_path}", "val/labels/fine")
