"""Grids of captioned images, with the names of their files."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pix2pix_lit.errors import shown
from pix2pix_lit.images.files import write_image

_GAP = 4  # pixels between images
_SMALLEST_TEXT = 11  # pixels of a font's height that can still be read
_CELL_PER_TEXT = 16  # mean side of the largest image per pixel of the font's height
_ASPECT = 4 / 3  # width to height that a grid aims for

# Pillow's own font has ASCII only. These are common on Linux, macOS and Windows; the last three have Chinese, Japanese
# and Korean.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "segoeui.ttf",
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
)

Font = ImageFont.FreeTypeFont


class Group(NamedTuple):
    """Images that belong together, such as those of one pair.

    Attributes:
        name: title above the images; empty for none.
        rows: from top to bottom; each maps captions to images, (H, W, 3) uint8 RGB, from left to right.
    """

    name: str
    rows: Sequence[Mapping[str, np.ndarray]]


def draw_grid(groups: Sequence[Group], heading: str = "") -> np.ndarray:
    """Stack groups in as many columns as bring the grid closest to the proportions of a screen.

    A row has captions if they differ from those of the row above. Text scales with the images; text that is too long is
    shortened in the middle. Images may differ in size; smaller ones are aligned to the upper left of their cell.

    Args:
        groups: at least one.
        heading: title of the grid.

    Returns:
        (H, W, 3) uint8 RGB, on white.
    """
    cells = [image.shape[:2] for group in groups for row in group.rows for image in row.values()]
    text = max(_SMALLEST_TEXT, round(max(map(sum, cells)) / 2 / _CELL_PER_TEXT))
    line = round(1.4 * text)
    length = max(len(row) for group in groups for row in group.rows)
    widths = [
        max(
            (list(row.values())[column].shape[1] for group in groups for row in group.rows if column < len(row)),
        )
        for column in range(length)
    ]
    block_width = sum(widths) + _GAP * (length - 1)
    between = 3 * _GAP + text  # between blocks, wider than between images
    plans = [_blocks(groups, line, count) for count in range(1, len(groups) + 1)]
    top = _GAP + (round(1.6 * line) if heading else 0)

    def size(plan: "list[list[_Placed]]") -> tuple[int, int]:
        width = len(plan) * block_width + (len(plan) - 1) * between + 2 * _GAP
        return width, top + max(block[-1].bottom for block in plan) + _GAP

    plan = min(plans, key=lambda plan: abs(math.log(size(plan)[0] / size(plan)[1] / _ASPECT)))
    grid = Image.new("RGB", size(plan), "white")
    draw = ImageDraw.Draw(grid)
    if heading:
        _write(draw, (_GAP, top / 2), heading, round(1.25 * text), grid.width - 2 * _GAP, "lm")
    for number, block in enumerate(plan):
        left = _GAP + number * (block_width + between)
        for placed in block:
            if placed.name_y is not None:
                y = top + placed.name_y + line / 2
                _write(draw, (left, y), placed.name, text, block_width, "lm")
            x = left
            for (caption, image), width in zip(placed.row.items(), widths, strict=False):
                if placed.captions_y is not None:
                    y = top + placed.captions_y + line / 2
                    _write(draw, (x + width / 2, y), caption, text, width, "mm", "dimgray")
                grid.paste(Image.fromarray(image), (x, top + placed.y))
                x += width + _GAP
    return np.asarray(grid)


class _Placed(NamedTuple):
    """A row of images and the text above it; y in pixels from the top of its block."""

    row: Mapping[str, np.ndarray]
    y: int
    bottom: int
    name: str
    name_y: int | None
    captions_y: int | None


def _blocks(groups: Sequence[Group], line: int, count: int) -> list[list[_Placed]]:
    """At most ``count`` blocks of equally many groups."""
    each = math.ceil(len(groups) / count)
    return [_placed(groups[start : start + each], line) for start in range(0, len(groups), each)]


def _placed(groups: Sequence[Group], line: int) -> list[_Placed]:
    placed: list[_Placed] = []
    y = 0
    captions: list[str] = []
    for group in groups:
        name_y = None
        if group.name:
            y += _GAP if placed else 0
            name_y, y = y, y + line
        for row in group.rows:
            captions_y = None
            if [*row] != captions and any(row):
                captions = [*row]
                captions_y, y = y, y + line
            bottom = y + max(image.shape[0] for image in row.values())
            placed.append(_Placed(row, y, bottom, group.name, name_y, captions_y))
            name_y = None
            y = bottom + _GAP
    return placed


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    width: float,
    anchor: str,
    color: str = "black",
) -> None:
    font, text = font_for(shown(text), size)
    draw.text(at, shortened(text, font, width), fill=color, font=font, anchor=anchor)


def shortened(text: str, font: Font, width: float) -> str:
    """``text``, with the middle left out if it is wider than that many pixels."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return text[:1]


def font_for(text: str, size: int) -> tuple[Font, str]:
    """A font that has every character of a text, and the text, with characters escaped that no font has."""
    for name in (None, *_SYSTEM_FONTS):
        font = _font(name, size)
        if font is not None and all(_has(font, character) for character in set(text)):
            return font, text
    font = _font(None, size)
    assert font is not None
    escaped = [
        character if _has(font, character) else character.encode("ascii", "backslashreplace").decode()
        for character in text
    ]
    return font, "".join(escaped)


@lru_cache(maxsize=64)
def _font(name: str | None, size: int) -> Font | None:
    """Pillow's own font, or a system font; None if it is not installed."""
    try:
        font = ImageFont.load_default(size=size) if name is None else ImageFont.truetype(name, size)
    except OSError:
        return None
    return font if isinstance(font, Font) else None


@lru_cache(maxsize=4096)
def _has(font: Font, character: str) -> bool:
    """Whether a font has a glyph of its own for a character, not the box for missing ones."""
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


class GridPages:
    """Writes groups of images as a numbered series of grids: ``folder/grid_0001.png``, ...

    Args:
        folder: for the grids.
        rows: groups per grid.
        longest_side: in pixels; larger images are scaled down to it.
    """

    def __init__(self, folder: str, rows: int = 12, longest_side: int = 512) -> None:
        self.folder = Path(folder)
        self.rows = rows
        self.longest_side = longest_side
        self._page = 0
        self._groups: list[Group] = []

    def add(self, name: str, row: Mapping[str, np.ndarray]) -> None:
        """Add the images of one file: its name, and caption -> (H, W, 3) uint8 RGB."""
        self._groups.append(Group(name, [{caption: self._shrink(image) for caption, image in row.items()}]))
        if len(self._groups) == self.rows:
            self.close()

    def close(self) -> None:
        """Write the last, incomplete grid."""
        if self._groups:
            self._page += 1
            write_image(self.folder / f"grid_{self._page:04d}.png", draw_grid(self._groups))
            self._groups = []

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(image)
        picture.thumbnail((self.longest_side, self.longest_side))
        return np.asarray(picture)
