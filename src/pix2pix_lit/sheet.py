"""Contact sheets: rows of images under captioned columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pix2pix_lit.images import write_image

_GAP = 4  # pixels between images
_MAX_CAPTION = 22  # pixels


def draw_sheet(columns: Mapping[str, Sequence[np.ndarray]]) -> np.ndarray:
    """Lay images out in a table.

    Args:
        columns: caption -> that column's images from top to bottom, (H, W, 3) uint8 RGB; equally many in every
            column. Images may differ in size; smaller ones stand at the upper left of their cell.

    Returns:
        (H', W', 3) uint8 RGB, on white, with the captions in a line above.
    """
    heights = [max(image.shape[0] for image in row) for row in zip(*columns.values(), strict=True)]
    widths = [max(image.shape[1] for image in images) for images in columns.values()]
    caption = min(_MAX_CAPTION, max(12, min(widths) // 8))
    sheet = Image.new(
        "RGB",
        (sum(widths) + _GAP * (len(widths) + 1), sum(heights) + _GAP * (len(heights) + 1) + caption),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=caption * 0.7)
    x = _GAP
    for (title, images), width in zip(columns.items(), widths, strict=True):
        draw.text((x + width / 2, (caption + _GAP) / 2), title, fill="black", font=font, anchor="mm")
        y = caption + _GAP
        for image, height in zip(images, heights, strict=True):
            sheet.paste(Image.fromarray(image), (x, y))
            y += height + _GAP
        x += width + _GAP
    return np.asarray(sheet)


class SheetPages:
    """Writes rows of images as a numbered series of sheets: ``folder/sheet_0001.png``, ...

    Args:
        folder: where the sheets go.
        rows: rows on a sheet.
        longest_side: pixels to which larger images are scaled down.
    """

    def __init__(self, folder: str, rows: int = 12, longest_side: int = 512) -> None:
        self.folder = Path(folder)
        self.rows = rows
        self.longest_side = longest_side
        self._page = 0
        self._columns: dict[str, list[np.ndarray]] = {}

    def add(self, row: dict[str, np.ndarray]) -> None:
        """Add one row: caption -> (H, W, 3) uint8 RGB, with the same captions as the rows before."""
        for caption, image in row.items():
            self._columns.setdefault(caption, []).append(self._shrink(image))
        if len(self._columns[caption]) == self.rows:
            self.close()

    def close(self) -> None:
        """Write what has not been written yet."""
        if self._columns:
            self._page += 1
            write_image(self.folder / f"sheet_{self._page:04d}.png", draw_sheet(self._columns))
            self._columns = {}

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(image)
        picture.thumbnail((self.longest_side, self.longest_side))
        return np.asarray(picture)
