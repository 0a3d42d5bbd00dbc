"""The gallery: what it writes, for names and files of any kind. How the page behaves takes a browser to see."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.images.files import write_image
from pix2pix_lit.inference import gallery
from pix2pix_lit.inference.gallery import Gallery

NASTY_NAMES = [
    "a.png",
    "sub/a.png",
    "../../escape.png",
    "/etc/absolute.png",
    "..",
    "",
    "a (1).png",
    "ünï/日本 😀.png",
    "quote\"'`.png",
    "x#y?z=1&w=100%25%.png",
    "javascript:alert(1).png",
    "back\\slash.png",
    "</script><script>alert(1)</script>.png",
    "<!-- <script>",
    "new\nline\ttab.png",
    "l" * 5000 + ".png",
    "a.png",
]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


class Page(HTMLParser):
    """What a browser makes of the page, before its script runs."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.source_text = (folder / "index.html").read_text("utf-8")
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._tag = ""
        self.feed(self.source_text)
        self.close()
        data, self.script = self.texts["script"]
        self.entries: list[dict[str, Any]] = json.loads(data)["entries"]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.tags.append(tag)
        self.links += [value or "" for key, value in attributes if key in ("src", "href")]
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag:
            self.texts[self._tag][-1] += data

    @property
    def names(self) -> list[str]:
        return [entry["name"] for entry in self.entries]

    @property
    def thumbnails(self) -> list[str]:
        return [picture["thumbnail"] for entry in self.entries for picture in entry.get("pictures", [])]


def linked_path(folder: Path, link: str) -> Path:
    """Where a browser would look for it, having opened the page in ``folder``."""
    parts = urlsplit(link)
    assert link == parts.path  # without scheme, host, query and fragment
    return (folder / unquote(link)).resolve()


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def write_gallery(folder: Path, names: list[str]) -> Page:
    written = Gallery(folder, "Some translations")
    for seed, name in enumerate(names):
        written.add(name, {"input": noise(8, 8, seed), "generated": noise(8, 8, 1000 + seed)}, {})
    written.close()
    return Page(folder)


def test_entries_keep_the_order_in_which_they_were_added(tmp_path):
    names = ["b.png", "a.png", "c/z.png", "10.png", "9.png"]
    page = write_gallery(tmp_path, names)
    assert page.names == names
    assert [picture["caption"] for picture in page.entries[0]["pictures"]] == ["input", "generated"]


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (300, 200), (200, 300), (1024, 2048), (2, 3000)])
def test_thumbnails_keep_their_proportions_and_have_at_most_256_pixels_a_side(tmp_path, size):
    height, width = size
    written = Gallery(tmp_path, "x")
    written.add("a.png", {"input": flat(height, width, (200, 30, 60))}, {})
    written.close()
    page = Page(tmp_path)
    with Image.open(tmp_path / page.thumbnails[0]) as thumbnail:
        scale = min(1, 256 / max(height, width))
        assert thumbnail.size == (max(1, round(width * scale)), max(1, round(height * scale)))
        assert np.abs(np.asarray(thumbnail).astype(int) - (200, 30, 60)).max() <= 4
    assert page.entries[0]["ratio"] == pytest.approx(width / height, abs=1e-4)


def test_every_picture_has_its_own_thumbnail_whatever_the_names_are(tmp_path):
    page = write_gallery(tmp_path / "gallery", NASTY_NAMES)
    assert page.names == [shown(name) for name in NASTY_NAMES]
    assert len(set(page.thumbnails)) == 2 * len(NASTY_NAMES)
    assert files_in(tmp_path) == {"gallery/index.html"} | {f"gallery/{thumbnail}" for thumbnail in page.thumbnails}
    assert all(re.fullmatch(r"thumbnails/[0-9a-f]+\.jpg", thumbnail) for thumbnail in page.thumbnails)


def test_names_and_titles_are_text_and_not_markup(tmp_path):
    plain = write_gallery(tmp_path / "plain", ["a.png"] * len(NASTY_NAMES))
    hard = "</title></script><script>alert('&amp;')</script>"
    written = Gallery(tmp_path / "nasty", hard)
    for name in NASTY_NAMES:
        written.add(name, {hard: noise(4, 4)}, {hard: Path(name)})
        written.add_video(name, {hard: Path(name)})
    written.close()
    page = Page(tmp_path / "nasty")
    assert page.tags == plain.tags
    assert page.script == plain.script
    assert page.texts["title"] == [hard]
    assert page.texts["h1"][0].strip() == hard
    assert page.entries[0]["pictures"][0]["caption"] == hard


def test_page_loads_nothing_from_elsewhere(tmp_path):
    page = write_gallery(tmp_path, ["a.png"])
    assert page.links == []
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    for forbidden in ("@import", "http:", "https:", "fetch(", "XMLHttpRequest", "innerHTML", "eval("):
        assert forbidden not in page.source_text
    assert "prefers-color-scheme: dark" in page.source_text


def test_links_are_relative_and_lead_to_the_files(tmp_path):
    folder = tmp_path / "out" / "gallery"
    written = Gallery(folder, "x")
    names = [name.lstrip("/") for name in NASTY_NAMES if 0 < len(name) < 100]
    for name in names:
        files = {"input": tmp_path / "in 100%" / name, "generated": tmp_path / "out" / name}
        written.add(name, {"input": noise(4, 4), "generated": noise(4, 4), "target": noise(4, 4)}, files)
        written.add_video(name, files)
    written.close()
    entries = Page(folder).entries
    for name, pictures, videos in zip(names, entries[::2], entries[1::2], strict=True):
        links = [video["file"] for video in videos["videos"]]
        assert [picture.get("file") for picture in pictures["pictures"]] == [*links, None]
        expected = [(tmp_path / "in 100%" / name).resolve(), (tmp_path / "out" / name).resolve()]
        assert [linked_path(folder, link) for link in links] == expected


def test_links_hold_for_a_folder_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = Gallery(Path("out/gallery"), "x")
    written.add("a.png", {"input": noise(4, 4)}, {"input": tmp_path / "photos" / "a.png"})
    written.add("b.png", {"input": noise(4, 4)}, {"input": Path("out/b.png")})
    written.close()
    links = [entry["pictures"][0]["file"] for entry in Page(Path("out/gallery")).entries]
    assert links == ["../../photos/a.png", "../b.png"]


def test_names_that_are_not_utf8_are_shown_with_their_bytes_and_linked_exactly(tmp_path):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    written = Gallery(tmp_path, name)
    written.add(name, {"input": noise(4, 4)}, {"input": tmp_path / name})
    written.close()
    entry = Page(tmp_path).entries[0]
    assert entry["name"] == r"caf\xe9.png"
    assert entry["pictures"][0]["file"] == "caf%E9.png"


def test_the_enlarged_view_shows_files_that_look_like_the_picture_in_browsers(tmp_path):
    picture = noise(20, 30)
    grey = picture[..., :1].repeat(3, -1)
    write_image(tmp_path / "same.png", picture)
    write_image(tmp_path / "lossy.jpg", picture)
    write_image(tmp_path / "grey.png", picture[..., :1])
    write_image(tmp_path / "deep.png", picture[..., :1].astype(np.uint16) * 256)
    write_image(tmp_path / "scan.tif", picture)
    write_image(tmp_path / "halves.png", np.concatenate([picture, picture], 1))
    (tmp_path / "broken.png").write_bytes(b"no image")

    def is_shown(name: str, shown_picture: np.ndarray) -> bool:
        written = Gallery(tmp_path / "gallery", "x")
        written.add(name, {"input": shown_picture}, {"input": tmp_path / name})
        written.close()
        return Page(tmp_path / "gallery").entries[0]["pictures"][0]["shown"]

    assert is_shown("same.png", picture)
    assert is_shown("lossy.jpg", picture)
    assert is_shown("grey.png", grey)
    assert not is_shown("grey.png", picture)  # class numbers, whose picture has the colours of the palette
    assert not is_shown("deep.png", grey)
    assert not is_shown("scan.tif", picture)
    assert not is_shown("halves.png", picture)
    assert not is_shown("broken.png", picture)
    assert not is_shown("missing.png", picture)


def test_page_appears_only_when_closed_and_nothing_temporary_stays(tmp_path):
    written = Gallery(tmp_path, "x")
    written.add("a.png", {"input": noise(4, 4)}, {})
    assert not (tmp_path / "index.html").exists()
    written.close()
    assert files_in(tmp_path) == {"index.html", Page(tmp_path).thumbnails[0]}


def test_another_run_leaves_the_page_intact_until_it_replaces_it_with_its_thumbnails(tmp_path):
    first = write_gallery(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "thumbnails" / "notes.txt").write_text("not ours")
    second = Gallery(tmp_path, "x")
    second.add("a.png", {"input": noise(8, 8, 0)}, {})  # as before
    second.add("d.png", {"input": noise(8, 8, 77)}, {})
    assert Page(tmp_path).source_text == first.source_text
    assert set(first.thumbnails) <= files_in(tmp_path)
    second.close()
    page = Page(tmp_path)
    assert page.names == ["a.png", "d.png"]
    assert page.thumbnails[0] == first.thumbnails[0]
    assert files_in(tmp_path) == {"index.html", "thumbnails/notes.txt", *page.thumbnails}


def test_failing_to_write_the_page_keeps_the_older_one_and_leaves_nothing(tmp_path, monkeypatch):
    first = write_gallery(tmp_path, ["a.png"])
    second = Gallery(tmp_path, "x")
    second.add("b.png", {"input": noise(8, 8, 9)}, {})

    def full_disk(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(UserError, match="index.html cannot be written .*No space left"):
            second.close()
    assert Page(tmp_path).source_text == first.source_text
    assert set(first.thumbnails) < files_in(tmp_path)
    assert not [name for name in files_in(tmp_path) if name.endswith(".tmp")]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written .*expected a writable folder"):
        Gallery(tmp_path / "file" / "gallery", "x").add("a.png", {"input": noise(4, 4)}, {})


def test_a_gallery_of_nothing_and_one_of_videos_are_pages_too(tmp_path):
    Gallery(tmp_path / "empty", "x").close()
    assert Page(tmp_path / "empty").entries == []
    videos = Gallery(tmp_path / "videos", "x")
    videos.add_video("a.mp4", {"input": tmp_path / "in" / "a.mp4", "generated": tmp_path / "a.mp4"})
    videos.close()
    page = Page(tmp_path / "videos")
    assert [item["file"] for item in page.entries[0]["videos"]] == ["../in/a.mp4", "../a.mp4"]
    assert "--pictures: 2; --ratio: 1.7778" in page.source_text


def test_page_is_laid_out_for_the_median_of_the_proportions(tmp_path):
    written = Gallery(tmp_path, "x")
    for width in (10, 40, 20, 20, 2000):
        written.add("a.png", {"input": noise(20, width), "generated": noise(20, width), "target": noise(20, width)}, {})
    written.close()
    assert "--pictures: 3; --ratio: 1.0" in Page(tmp_path).source_text


def test_elements_that_the_script_asks_for_are_on_the_page(tmp_path):
    page = write_gallery(tmp_path, ["a.png"])
    wanted = set(re.findall(r'element\("(\w+)"\)', page.script)) | {"list", "filter", "size", "dialog", "figures"}
    assert len(wanted) > 10
    assert wanted <= set(re.findall(r'\bid="(\w+)"', page.source_text))
    assert (Path(gallery.__file__).parent / "gallery.js").read_text("utf-8") == page.script
