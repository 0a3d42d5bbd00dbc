"""An error about a data set's folder recognises what is there and prints the line to type, which works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.data.sources.cityscapes_official import CityscapesOfficialSource
from pix2pix_lit.data.sources.folders import FoldersSource
from pix2pix_lit.data.sources.layouts import recognise
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.runs.configs import CONFIG_DIR, compose_config
from pix2pix_lit.runs.overrides import chosen_options
from pix2pix_lit.runs.quoting import with_text_quoted
from pix2pix_lit.train import Keys

FRACTIONS = "'data.source.fractions={train:0.9,val:0.1}'"
PAIRS = 12


@pytest.fixture(scope="module")
def streets() -> list[tuple[np.ndarray, np.ndarray]]:
    source = StreetsSource(split="train", size=64, train_length=PAIRS)
    return [(pair.a, pair.b) for pair in map(source.__getitem__, range(PAIRS))]


def make(root: Path, streets, *patterns: str) -> Path:
    """Files of pairs: a pattern names A, B, or both in one file where it has no side."""
    for pattern in patterns:
        for number, (a, b) in enumerate(streets):
            image = (
                a if "photo" in pattern else np.concatenate([a, b], 1) if "pair" in pattern else (a, b)["B" in pattern]
            )
            write_image(root / pattern.format(number), image)
    return root


def typed(line: str):
    """The data that a line of overrides describes."""
    words = shlex.split(line)
    quoted = with_text_quoted(words, Keys, lambda: chosen_options(CONFIG_DIR, "train", words))
    config = compose_config(CONFIG_DIR, "train", quoted)
    return instantiate(config.data, cache="none", load_size=64, crop_size=64, num_workers=0, _convert_="all")


CITYSCAPES = (
    "leftImg8bit/{split}/x/{{}}_leftImg8bit.png",
    "gtFine/{split}/x/{{}}_gtFine_labelIds.png",
)
LAYOUTS = {
    "aligned": (["train/pair{}.png", "val/pair{}.png"], "data=aligned data.root=ROOT"),
    "aligned, other names": (
        ["training/pair{}.png", "test/pair{}.png"],
        "data=aligned data.root=ROOT data.train_split=training data.val_split=test",
    ),
    "aligned, one folder in another": (
        ["facades/train/pair{}.png", "facades/val/pair{}.png"],
        "data=aligned data.root=ROOT/facades",
    ),
    "folders": (
        [f"{split}/{side}/{{}}.png" for split in ("train", "val") for side in "AB"],
        "data=folders data.root=ROOT",
    ),
    "folders, other names": (
        [f"{split}/{side}/{{}}.png" for split in ("train", "test") for side in ("imgA", "maskB")],
        "data=folders data.root=ROOT data.source.a_folder={split}/imgA data.source.b_folder={split}/maskB "
        "data.val_split=test",
    ),
    "sides with splits": (
        [f"{side}/{split}/{{}}.png" for split in ("train", "val") for side in "AB"],
        "data=folders data.root=ROOT data.source.a_folder=A/{split} data.source.b_folder=B/{split}",
    ),
    "trainA": (
        [f"{split}{side}/{{}}.png" for split in ("train", "test") for side in "AB"],
        "data=folders data.root=ROOT data.source.a_folder={split}A data.source.b_folder={split}B data.val_split=test",
    ),
    "flat": (
        ["A/{}.jpg", "B/{}.png"],
        f"data=folders data.root=ROOT data.source.a_folder=A data.source.b_folder=B {FRACTIONS}",
    ),
    "both in one folder": (
        ["{}_A.png", "{}_B.png"],
        "data=folders data.root=ROOT data.source.a_folder=. data.source.b_folder=. 'data.source.a_pattern=(.+)_A' "
        f"'data.source.b_pattern=(.+)_B' {FRACTIONS}",
    ),
    "photos": (["train/photo{}.png", "val/photo{}.png"], "data=derived data.root=ROOT"),
    "photos in one folder": (["photo{}.png"], f"data=derived data.root=ROOT data.source.folder=. {FRACTIONS}"),
}


def said(error: pytest.ExceptionInfo) -> str:
    return re.search(r"\nWhat is there looks like .*: type\n    (.*)$", str(error.value))[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_by_other_layouts_and_the_line_they_print_reads_it(tmp_path, streets, name):
    patterns, line = LAYOUTS[name]
    root = make(tmp_path / "my data", streets, *patterns)
    line = re.sub(r"data\.root=\S+", lambda found: shlex.quote(found[0].replace("ROOT", str(root))), line)
    sources = {"aligned": AlignedSource, "folders": FoldersSource, "official": CityscapesOfficialSource}
    for own, source in sources.items():
        if own in name or (name, own) == ("photos", "aligned"):
            continue  # what is wrong there is not the layout
        with pytest.raises(UserError) as error:
            source(str(root), "train")
        expected = line.replace("data=aligned", "data=cityscapes") if own == "official" else line
        assert said(error) == expected
    datamodule = typed(line)
    total = len(datamodule.build_source(datamodule.train_split)) + len(datamodule.build_source(datamodule.val_split))
    assert total == (PAIRS if "fractions" in line else 2 * PAIRS)
    datamodule.build_source(datamodule.train_split)[0]


@pytest.mark.parametrize("name", ["aligned, other names", "folders, other names"])
def test_splits_of_other_names_are_told_to_the_layout_that_they_have(tmp_path, streets, name):
    patterns, line = LAYOUTS[name]
    root = make(tmp_path / "data", streets, *patterns)
    with pytest.raises(UserError) as error:
        {"aligned": AlignedSource, "folders": FoldersSource}[name.partition(",")[0]](str(root), "val")
    assert said(error) == line.replace("ROOT", str(root))


def test_cityscapes_as_distributed_is_recognised_and_so_is_its_archive(tmp_path):
    for split in ("train", "val"):
        for pattern in CITYSCAPES:
            image = np.zeros((4, 8, 3 if "left" in pattern else 1), np.uint8)
            write_image(tmp_path / "data" / pattern.format(split=split).format("x_0_0"), image)
    for source in (AlignedSource, FoldersSource):
        for root in ("data", "data/leftImg8bit"):
            with pytest.raises(UserError) as error:
                source(f"{tmp_path}/{root}", "train")
            assert said(error) == f"data=cityscapes_official data.root={tmp_path}/data"
    assert len(typed(said(error)).build_source("val")) == 1


def test_a_split_given_for_the_whole_is_told(tmp_path, streets):
    make(tmp_path, streets, *LAYOUTS["folders"][0])
    with pytest.raises(UserError) as error:
        FoldersSource(f"{tmp_path}/train", "train")
    assert said(error) == f"data=folders data.root={tmp_path}"


def test_single_photos_are_no_aligned_pairs_and_the_line_to_type_is_told(tmp_path, streets):
    make(tmp_path, streets, *LAYOUTS["photos"][0])
    with pytest.raises(
        UserError, match=r"look like single photos: the left half of each continues in its right"
    ) as error:
        AlignedSource(str(tmp_path), "train").check()
    assert said(error) == f"data=derived data.root={tmp_path}"


def test_a_table_is_recognised(tmp_path):
    (tmp_path / "pairs.csv").write_text("a,b,split\n")
    with pytest.raises(UserError) as error:
        FoldersSource(str(tmp_path), "train")
    assert said(error) == f"data=manifest data.root={tmp_path}/pairs.csv"


def test_what_is_no_layout_is_not_recognised(tmp_path, streets):
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "nowhere") is None
    make(tmp_path, streets, "notes/A{}.png")
    make(tmp_path, streets, "other/photo{}.png")
    assert recognise(tmp_path) is None
