"""The HTML page of a gallery; it stays fast with thousands of translations."""

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path, PurePath
from statistics import median
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from pix2pix_lit.errors import UserError, printable, shown
from pix2pix_lit.files.atomic_write import atomic_write

_LONGEST = 256  # pixels of a thumbnail's longer side
_FOLDER = "thumbnails"
_THUMBNAIL = re.compile(r"[0-9a-f]{24}\.jpg")
_BROWSER_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_ESCAPED = "\\u003c"  # "<" within JSON, where "</script>" would end the element
_STYLE = (Path(__file__).parent / "gallery.css").read_text("utf-8")
_SCRIPT = (Path(__file__).parent / "gallery.js").read_text("utf-8")


class Gallery:
    """Writes ``<folder>/index.html``, with thumbnails in ``<folder>/thumbnails/``.

    The page needs no server and no other file. An older page is replaced only on ``close``, and keeps its thumbnails
    until then, since thumbnails are named after their content.

    Args:
        folder: of the page; created if missing.
        title: heading of the page.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.folder = folder
        self.title = shown(title)
        self._entries: list[dict[str, Any]] = []
        self._thumbnails: set[str] = set()

    def add(self, name: str, pictures: Mapping[str, np.ndarray], files: Mapping[str, Path]) -> None:
        """Add the pictures of one translation below those added before.

        Args:
            name: such as ``sub/a.png``: shown, searched, and linked to as ``index.html#name``.
            pictures: caption -> (H, W, 3) uint8 RGB of any size, at least one. The page compares ``input`` and
                ``generated`` with a slider.
            files: caption -> the full-size file, for all or some of these captions. The enlarged view shows the file
                if it exists and a browser would show it like the picture.

        Raises:
            UserError: if a thumbnail cannot be written.
        """
        items = []
        for caption, picture in pictures.items():
            item: dict[str, Any] = {"caption": caption, "thumbnail": self._write_thumbnail(picture)}
            if caption in files:
                item |= {"file": self._link(files[caption]), "shown": _is_what_browsers_show(files[caption], picture)}
            items.append(item)
        height, width = next(iter(pictures.values())).shape[:2]
        self._entries.append({"name": shown(name), "ratio": round(width / height, 4), "pictures": items})

    def add_video(self, name: str, files: Mapping[str, Path]) -> None:
        """Add videos, caption -> file, which are loaded only when played; ``name`` is as for ``add``."""
        items = [{"caption": caption, "file": self._link(path)} for caption, path in files.items()]
        self._entries.append({"name": shown(name), "videos": items})

    def close(self) -> None:
        """Write the page and remove unused thumbnails.

        Raises:
            UserError: if the page cannot be written.
        """
        _write(self.folder / "index.html", printable(self._page()).encode())
        for path in (self.folder / _FOLDER).glob("*"):
            if path.name not in self._thumbnails and _THUMBNAIL.fullmatch(path.name):
                with suppress(OSError):  # leftover files do no harm
                    path.unlink()

    def _write_thumbnail(self, picture: np.ndarray) -> str:
        """Write a thumbnail unless an equal one exists, and return its address on the page."""
        small = Image.fromarray(picture)
        small.thumbnail((_LONGEST, _LONGEST))
        data = io.BytesIO()
        small.save(data, "JPEG", quality=80, subsampling=0)  # ten times as fast as WebP
        name = f"{hashlib.blake2b(data.getvalue(), digest_size=12).hexdigest()}.jpg"
        if name not in self._thumbnails:
            _write(self.folder / _FOLDER / name, data.getvalue())
            self._thumbnails.add(name)
        return f"{_FOLDER}/{name}"

    def _link(self, path: Path) -> str:
        relative = PurePath(os.path.relpath(path, self.folder)).as_posix()
        return quote(os.fsencode(relative))  # bytes, since names need not be UTF-8

    def _page(self) -> str:
        ratios = [entry["ratio"] for entry in self._entries if "ratio" in entry]
        ratio = min(3.0, max(0.5, median(ratios))) if ratios else 1.7778
        pictures = max((len(entry.get("pictures") or entry["videos"]) for entry in self._entries), default=1)
        data = json.dumps({"entries": self._entries}, ensure_ascii=False, separators=(",", ":"))
        return f"""<!doctype html>
<html lang="en" style="--pictures: {pictures}; --ratio: {ratio}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(self.title)}</title>
<style>{_STYLE}</style>
<header><h1>{escape(self.title)}</h1></header>
<div id="tools" role="search">
<input id="filter" type="search" placeholder="Filter by name" aria-label="Filter by name" autocomplete="off">
<label>Size <input id="size" type="range" min="60" max="400" step="10" value="180"></label>
<output id="count" for="filter"></output>
</div>
<main>
<ol id="list" role="list"></ol>
<p id="none" hidden>No name contains all of these words.</p>
<noscript>This page needs JavaScript to show its pictures; it is turned off in this browser.</noscript>
</main>
<dialog id="dialog" aria-labelledby="name">
<header>
<button id="previous" aria-label="Previous" title="Previous (left arrow)">&#8592;</button>
<button id="next" aria-label="Next" title="Next (right arrow)">&#8594;</button>
<p aria-live="polite"><b id="name"></b> <small id="place"></small></p>
<button id="close" aria-label="Close" title="Close (Esc)">&#10005;</button>
</header>
<div id="figures"></div>
</dialog>
<script type="application/json" id="entries">{data.replace("<", _ESCAPED)}</script>
<script>{_SCRIPT}</script>
</html>
"""


def _is_what_browsers_show(path: Path, picture: np.ndarray) -> bool:
    """Whether browsers show this file as ``picture``, judged by its header.

    They cannot show TIFF, show class numbers as almost black, and show both halves of a side-by-side file.
    """
    try:
        with Image.open(path) as file:
            if file.format not in _BROWSER_FORMATS or sorted(file.size) != sorted(picture.shape[:2]):
                return False
            is_grey = file.mode == "L" and bool((picture == picture[..., :1]).all())
            return is_grey or file.mode in ("RGB", "P")
    except (OSError, Image.DecompressionBombError):  # missing, or not in a format of Pillow
        return False


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}); expected a writable folder with enough space") from error
