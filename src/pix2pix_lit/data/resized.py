"""Resized pairs of a source: the preprocessing that is the same in every epoch."""

from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from pix2pix_lit.checks import check_choice
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import nearest_colors

Resampling = Literal["opencv", "pillow"]
LabelResampling = Literal["nearest", "blended"]


class ResizedPairs:
    """Pairs of a source, resized, with label colours optionally snapped to their palette.

    Args:
        source: of the pairs.
        size: of both images; an integer or [height, width].
        resampling: of continuous images: ``opencv`` is bicubic, or area averaging when both sides shrink; ``pillow``
            is Pillow's bicubic filter, as in the reference implementation.
        label_resampling: ``nearest`` preserves labels; ``blended`` interpolates colour-coded ones like continuous
            images (as the paper's code did).
        snap_labels: first replace every colour of a label image by the nearest one of its palette.

    Raises:
        UserError: for other values, and for values that do not suit the source's images.
    """

    def __init__(
        self,
        source: PairSource,
        size: Size,
        resampling: Resampling = "opencv",
        label_resampling: LabelResampling = "nearest",
        snap_labels: bool = False,
    ) -> None:
        check_choice("data.resampling", resampling, Resampling)
        check_choice("data.label_resampling", label_resampling, LabelResampling)
        for image_type in (source.a, source.b):
            if label_resampling == "blended" and (image_type.kind == "ids" or image_type.instance_edges):
                raise UserError(
                    "data.label_resampling is blended, but class and instance numbers mean nothing when blended; "
                    "expected nearest"
                )
        if snap_labels and not any(image_type.kind == "colors" for image_type in (source.a, source.b)):
            raise UserError(
                "data.snap_labels is true, but neither image has labels as colours; expected one with kind=colors and "
                "a palette: set data.source.b.kind=colors data.source.b.palette=NAME (or data.source.a...)"
            )
        for image_type in (source.a, source.b):
            if snap_labels and image_type.kind == "colors" and image_type.palette is None:
                raise UserError(
                    "data.snap_labels is true, but a label image has no palette; expected the colours of its classes: "
                    "set data.source.b.palette (or data.source.a.palette)"
                )
        self.source = source
        self.size = height_and_width(size, "data.load_size")
        self.resampling = resampling
        self.label_resampling = label_resampling
        self.snap_labels = snap_labels

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Pair:
        """The pair at ``index``, both images (height, width, planes) of their own dtype."""
        return self.source.prepared(index, self._prepared)

    @property
    def a(self) -> ImageType:
        """Image type of the A images."""
        return self.source.a

    @property
    def b(self) -> ImageType:
        """Image type of the B images."""
        return self.source.b

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values (JSON) that determine the pairs, apart from the contents of files."""
        return {
            "source": self.source.settings,
            "a": self.a.as_dict(),
            "b": self.b.as_dict(),
            "size": list(self.size),
            "resampling": self.resampling,
            "label_resampling": self.label_resampling,
            "snap_labels": self.snap_labels,
        }

    def _prepared(self, image: np.ndarray, image_type: ImageType) -> np.ndarray:
        if self.snap_labels and image_type.kind == "colors":
            colors = image_type.palette_colors
            assert colors is not None  # checked on construction
            image = np.concatenate([nearest_colors(image[..., :3].astype(np.uint8), colors), image[..., 3:]], -1)
        is_nearest = image_type.is_labels and self.label_resampling == "nearest"
        return resize(image, *self.size, "nearest" if is_nearest else self.resampling)


def resize(image: np.ndarray, height: int, width: int, resampling: Resampling | Literal["nearest"]) -> np.ndarray:
    """(H, W, C) of any number of channels, uint8, uint16 or float32 -> (height, width, C) of the same dtype.

    Args:
        image: to resize; returned unchanged if it has this size.
        height: in pixels.
        width: in pixels.
        resampling: see ``ResizedPairs``; ``nearest`` takes the pixel with the nearest centre.
    """
    if image.shape[:2] == (height, width):
        return image
    if resampling == "pillow":
        return _resize_by_pillow(image, height, width)
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    filters = {"nearest": cv2.INTER_NEAREST_EXACT, "opencv": cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC}
    parts = [  # OpenCV resizes no more than four channels at once
        cv2.resize(image[..., first : first + 4], (width, height), interpolation=filters[resampling])
        for first in range(0, image.shape[-1], 4)
    ]
    parts = [part[..., None] if part.ndim == 2 else part for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, -1)


def _resize_by_pillow(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.dtype == np.uint8 and image.shape[-1] == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    channels = []
    for channel in np.moveaxis(image, -1, 0):
        picture = Image.fromarray(channel if image.dtype == np.uint8 else channel.astype(np.float32))
        channels.append(np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)))
    resized = np.stack(channels, -1)
    return resized.round().clip(0, 65535).astype(np.uint16) if image.dtype == np.uint16 else resized
