"""The page needs no other file, shows all that was found, and takes any file name."""

import base64
import io
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.data.audit import page
from pix2pix_lit.data.audit.checks import run_checks
from pix2pix_lit.data.audit.findings import Report
from pix2pix_lit.data.audit.measure import measure_pairs
from pix2pix_lit.data.audit.split import Split
from pix2pix_lit.data.sources.folders import FoldersSource
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType

HARD = "<b>&\"'.png"
LABELS = ImageType(kind="colors", palette=((0, 0, 0), (255, 255, 255)))
VOID = {"meta", "img", "br", "link", "input"}


def squares(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo and labels of a few squares."""
    dice = np.random.default_rng(seed)
    labels = np.zeros((32, 32, 3), np.uint8)
    for y, x in dice.integers(0, 26, (4, 2)):
        labels[y : y + 6, x : x + 6] = 255
    photo = labels // 3 + dice.integers(0, 90, labels.shape).astype(np.uint8)
    return photo, labels


def write_pair(root: Path, name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    for side, image in zip("AB", pair, strict=True):
        write_image(root / "train" / side / name, image)


class Page(HTMLParser):
    """What a browser would load and show; fails on tags that do not nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.source_text = path.read_text("utf-8")
        self.text = ""
        self.feed(self.source_text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attributes)
        self.sources += [value for key, value in attributes if key in ("src", "href", "srcset", "data") and value]
        if tag == "img":
            assert values["loading"] == "lazy"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    @property
    def pictures(self) -> list[Image.Image]:
        data = [source.partition(",")[2] for source in self.sources if source.startswith("data:")]
        return [Image.open(io.BytesIO(base64.b64decode(part))) for part in data]


def write_audit(folder: Path) -> tuple[Page, Report]:
    source = FoldersSource(str(folder), "train", b=LABELS)
    split = Split("train", source, list(measure_pairs(source, 0)))
    findings, skipped = run_checks([split], snap_labels=False)
    report = Report("<data> & more", {"train": split.summary()}, findings, skipped, 1.0)
    network = {"input": [squares(0)[0]], "target, <1>": [squares(0)[1]]}
    page.write_page(folder / "audit.html", report, [split], network)
    return Page(folder / "audit.html"), report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(4):
        write_pair(tmp_path, f"{index}.png", squares(index))
    return tmp_path


def test_page_loads_nothing_from_elsewhere(root):
    shown, _ = write_audit(root)
    assert shown.open == []
    assert all(source.startswith(("data:image/webp;base64,", "#")) for source in shown.sources)
    assert not {"script", "link", "iframe", "object"} & set(shown.tags)
    assert "url(" not in shown.source_text
    assert "@import" not in shown.source_text
    assert "prefers-color-scheme: dark" in shown.source_text


def test_page_shows_clean_pairs_and_what_the_network_sees(root):
    shown, report = write_audit(root)
    assert not report.findings
    assert len(shown.pictures) == 2 * 4 + 2
    assert all(picture.size == (32, 32) for picture in shown.pictures)
    assert "As the network sees them" in shown.text
    assert report.verdict in shown.text


def test_names_are_text_and_not_markup(root):
    write_pair(root, HARD, (squares(9)[0], np.zeros((32, 32, 3), np.uint8)))
    shown, _ = write_audit(root)
    assert "<b>&" not in shown.source_text
    assert "<data>" not in shown.source_text
    assert "<1>" not in shown.source_text
    assert shown.text.count(HARD) == 2  # among the constant images, and on the contact grid
    assert "Audit of <data> & more" in shown.text
    assert "target, <1>" in shown.text
    assert f'alt="A of {HARD}"' in unescape(shown.source_text)


def test_offenders_have_their_pictures_and_the_reason(root):
    pair = squares(2)
    write_pair(root, "large.png", (np.zeros((1000, 500, 3), np.uint8), np.zeros((20, 20, 3), np.uint8)))
    write_pair(root, "copy.png", pair)
    (root / "train" / "A" / "broken.png").write_bytes(b"no image")
    write_image(root / "train" / "B" / "broken.png", pair[1])
    shown, report = write_audit(root)
    assert {finding.check for finding in report.findings} == {"size mismatch", "unusable", "duplicate"}
    for finding in report.findings:
        assert finding.message in shown.text
        assert all(place.name in shown.text for place in finding.places)
    assert (128, 256) in [picture.size for picture in shown.pictures]  # large ones are shrunk
    assert (20, 20) in [picture.size for picture in shown.pictures]  # though the pair cannot be read


def test_pixels_off_the_palette_are_marked_with_their_colour(root):
    photo, labels = squares(5)
    labels[:8] = (90, 200, 30)
    write_pair(root, "odd.png", (photo, labels))
    shown, _ = write_audit(root)
    assert "off: (90, 200, 30)" in shown.text
    marked = np.asarray(shown.pictures[2].convert("RGB")).astype(int)
    is_red = marked[..., 0] - marked[..., 1:].max(-1) > 60
    assert is_red[:7].all()
    assert not is_red[9:].any()


def test_every_offender_is_listed_even_if_not_all_have_pictures(root, monkeypatch):
    monkeypatch.setattr(page, "MOST_PICTURED", 3)
    names = [f"blank{index}.png" for index in range(8)]
    for name in names:
        write_pair(root, name, (np.zeros((32, 32, 3), np.uint8), squares(1)[1]))
    shown, report = write_audit(root)
    assert len(report.of("constant")) == 8
    section = re.search(r'<section id="constant">.*?</section>', shown.source_text, re.DOTALL)
    assert section
    assert all(section[0].count(name) >= 1 for name in names)
    assert section[0].count("<figure>") == 3
    assert section[0].count("<li>") == 5
    assert "5 more, of 8 in all, without pictures" in section[0]


def test_large_groups_show_some_and_name_all(root):
    names = [f"same{index}.png" for index in range(9)]
    for name in names:
        write_pair(root, name, squares(7))
    shown, report = write_audit(root)
    assert [len(finding.places) for finding in report.of("duplicate")] == [9]
    section = re.search(r'<section id="duplicate">.*?</section>', shown.source_text, re.DOTALL)
    assert section
    assert section[0].count("<img") == 2 * 4
    assert all(name in section[0] for name in names)
