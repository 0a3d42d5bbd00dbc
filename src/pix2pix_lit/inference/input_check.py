"""Checks whether an image looks like the inputs of training; only messages depend on the result."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import nearest_colors
from pix2pix_lit.images.registration import register

# Shares of pixels within 5 and 10 RGB units of a palette. Measured on Cityscapes, on drawn streets, and on their labels
# as PNG and as JPEG of quality 10 and up: at most 0.08 and 0.22 of a photo, and at least 0.27 (from quality 30 on) and
# 0.26 of labels. Flat areas of labels keep their colours, even if their outlines are blurred.
_NEAR, _CLOSE = 5, 10
_PHOTO_NEAR, _PHOTO_CLOSE = 0.1, 0.25
_LABELS_NEAR, _LABELS_CLOSE = 0.25, 0.4
_FEWEST_COLORS, _LEAST_SHARE = 3, 0.02  # of labels; otherwise dark photos would count as labels
_RELATED = 0.25  # correlation of edges: half of the pairs of Cityscapes have more, halves of photos at most 0.2
_SIDE = 256  # longer side, in pixels, of the images that are compared


class InputCheck:
    """Describes how an image differs from the inputs that a network was trained on.

    It reports only clear differences, and nothing in case of doubt.

    Args:
        input_type: type of the network's inputs.
        target_type: type of its translations.
        training: facts about its training, as in ``GeneratorMetadata.training``.
        half: the half of side-by-side files that is translated; None for files with one image.
    """

    def __init__(
        self, input_type: ImageType, target_type: ImageType, training: Mapping[str, Any], half: str | None
    ) -> None:
        self._takes_labels = input_type.kind == "colors"
        is_photo = input_type.kind == "continuous" and (input_type.channels, input_type.dtype) == (3, "uint8")
        labels = (
            input_type if self._takes_labels else target_type if is_photo and target_type.kind == "colors" else None
        )
        self._palette = None if labels is None else labels.palette_colors
        data = training.get("data")
        source = data.get("source") if isinstance(data, Mapping) else None
        self._is_of_pairs = is_photo and source == "AlignedSource" and half is None
        self._half = half

    def __call__(self, image: np.ndarray) -> str | None:
        """A remark on an image (H, W, planes) of the input's type that completes "3 images ..."; None if it is fine."""
        if self._palette is not None:
            return self._by_colors(_thinned(image[..., :3]), self._palette)
        if self._is_of_pairs and image.shape[1] == 2 * image.shape[0]:
            left, right = np.ascontiguousarray(image.reshape(len(image), 2, len(image), 3).swapaxes(0, 1))
            if register(left, right).here > _RELATED:
                return "look like two images side by side: half=left or half=right translates one of them"
        return None

    def _by_colors(self, image: np.ndarray, palette: np.ndarray) -> str | None:
        nearest = nearest_colors(image, palette)
        distances = np.linalg.norm(image.astype(np.float32) - nearest, axis=-1)
        if self._half is None and image.shape[1] > image.shape[0]:
            middle = image.shape[1] // 2
            sides = [(distances[:, part], nearest[:, part]) for part in (slice(middle), slice(middle, None))]
            for photo, labels in ((0, 1), (1, 0)):
                if _is_photo(sides[photo][0]) and _is_labels(*sides[labels]):
                    name = ("left", "right")[labels if self._takes_labels else photo]
                    return f"look like a photo and its labels side by side: half={name} translates the right one"
        other = {"left": "right", "right": "left"}.get(self._half or "")
        hint = f", which half={other} may be" if other else ""
        if self._takes_labels and _is_photo(distances):
            return f"have hardly any colours of this model's labels, like photos: it translates labels{hint}"
        if not self._takes_labels and _is_labels(distances, nearest):
            return f"look like the labels that this model generates: it translates photos{hint}"
        return None


def _is_photo(distances: np.ndarray) -> bool:
    """Whether these distances to the nearest colours of a palette are those of a photo, not of labels."""
    return (distances <= _NEAR).mean() < _PHOTO_NEAR and (distances <= _CLOSE).mean() < _PHOTO_CLOSE


def _is_labels(distances: np.ndarray, nearest: np.ndarray) -> bool:
    if (distances <= _NEAR).mean() < _LABELS_NEAR or (distances <= _CLOSE).mean() < _LABELS_CLOSE:
        return False
    numbers = nearest[distances <= _NEAR] @ np.array([1 << 16, 1 << 8, 1])  # one per colour
    _, counts = np.unique(numbers, return_counts=True)
    return int((counts >= _LEAST_SHARE * distances.size).sum()) >= _FEWEST_COLORS


def _thinned(image: np.ndarray) -> np.ndarray:
    """Every n-th pixel, for speed; not interpolated, which would change the colours."""
    step = -(-max(image.shape[:2]) // _SIDE)
    return np.ascontiguousarray(image[::step, ::step])
