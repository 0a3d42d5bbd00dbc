"""Procedurally drawn street scenes: the default data set, which needs no download."""

from typing import Any

import numpy as np

from pix2pix_lit.checks import check_integer
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.data.streets.canvas import Camera, Canvas, Dice
from pix2pix_lit.data.streets.layout import sample_scene
from pix2pix_lit.data.streets.photo import NO_SHADOWS_BELOW, finish, paint_sky, shade_ground
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import ids_to_colors

SPLITS = ("train", "val")


class StreetsSource(PairSource):
    """Photos of streets (a) and their 19-class Cityscapes labels (b), drawn on demand.

    A pair is a function of (seed, split, index) alone: the same in every process and in any order of access. The
    scene does not depend on ``size`` either; only its rasterisation and its grain do.

    Args:
        root: must be None; there is nothing on disk.
        split: "train" or "val"; the two never share a scene.
        size: height and width of the pictures in pixels, or [height, width]; 32 to 4096 each.
        train_length: number of pairs of the train split.
        val_length: number of pairs of the val split.
        seed: another seed gives other scenes.

    Raises:
        UserError: an argument is not as described.
    """

    a = RGB
    b = ImageType(kind="colors", palette="cityscapes")

    def __init__(
        self,
        root: str | None = None,
        split: str = "train",
        *,
        size: Size = 256,
        train_length: int = 1000,
        val_length: int = 100,
        seed: int = 0,
    ) -> None:
        if root is not None:
            raise UserError(
                f"streets: root is {root!r}, but these pairs are drawn, not read, and there is no folder to give. "
                "Leave root empty (null), or choose another data source, such as folders, for your own pictures."
            )
        if split not in SPLITS:
            raise UserError(f"streets: split is {split!r}, but there are only train and val. Choose one of them.")
        self.split = split
        self.height, self.width = height_and_width(size, "data.source.size", smallest=32, largest=4096)
        self.seed = seed
        lengths = (train_length, val_length)
        for name, value in (("seed", seed), ("train_length", train_length), ("val_length", val_length)):
            check_integer(f"data.source.{name}", value)
        self._length = lengths[SPLITS.index(split)]

    def __len__(self) -> int:
        """Number of pairs."""
        return self._length

    def __getitem__(self, index: int) -> Pair:
        """The pair at ``index`` in [0, len): photo and colour-coded labels, both (height, width, 3) uint8 RGB.

        Raises:
            IndexError: ``index`` is negative or not below the length.
        """
        photo, labels = self._draw(index)
        return Pair(a=photo, b=ids_to_colors(labels), name=f"{self.split}_{index:05d}")

    @property
    def settings(self) -> dict[str, Any]:
        size = [self.height, self.width]
        return {"layout": "streets", "split": self.split, "size": size, "length": self._length, "seed": self.seed}

    def label_ids(self, index: int) -> np.ndarray:
        """The labels of pair ``index`` as train ids 0 to 18, (height, width) uint8; raises as ``[index]`` does."""
        return self._draw(index)[1]

    def _draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < self._length:
            raise IndexError(f"streets: index {index}, but the {self.split} split has {self._length} pairs")
        key = [self.seed, SPLITS.index(self.split), index]
        # Two random streams: the grain cannot change the layout.
        scene = sample_scene(Dice(np.random.default_rng(key)))
        grain = np.random.default_rng([*key, 1])
        canvas = Canvas(Camera(scene.view, self.height, self.width), scene.light)
        paint_sky(canvas, grain)
        scene.ground.paint(canvas)
        if scene.light.sun > NO_SHADOWS_BELOW:
            for thing in scene.things:
                thing.cast(canvas)
        shade_ground(canvas, grain)
        for thing in scene.things:  # sorted from far to near
            thing.paint(canvas)
        return finish(canvas, grain), canvas.labels
