"""Lenient conversion for inference: bit depth, gray and transparency are adapted to the network's image type."""

import numpy as np

from pix2pix_lit.images.decoded import Decoded, opaque_value
from pix2pix_lit.images.image_type import ImageType


def convert(decoded: Decoded, image_type: ImageType) -> tuple[Decoded, str | None]:
    """Adapt a decoded image to a type; ``strict.fit`` then accepts or refuses the result.

    Training refuses images that differ from the configured type, since the files may be wrong. At inference there is
    nothing to configure: continuous images of another bit depth are scaled, colours become gray if the network takes
    gray, and transparent images are composited on white unless the type has a ``background``. Labels are not changed.

    Args:
        decoded: contents of a file.
        image_type: the network's input type.

    Returns:
        The converted image, and a description of what was done to it, or None.
    """
    if image_type.is_labels or decoded.pages > 1:
        return decoded, None
    pixels, alpha, done = decoded.pixels, decoded.alpha, []
    if decoded.palette is not None and pixels.max() < len(decoded.palette):
        pixels = decoded.palette.take(pixels[..., 0], axis=0)
    elif decoded.palette is not None:
        return decoded, None
    if alpha and image_type.channels in (1, 3) and image_type.background is None:
        if (pixels[..., -1] != opaque_value(pixels.dtype)).any():
            done.append("composited on white")
        pixels, alpha = _on_white(pixels), False
    if not alpha and pixels.shape[-1] == 3 and image_type.channels == 1 and (pixels != pixels[..., :1]).any():
        done.append("converted to gray")
        pixels = _gray(pixels)
    scaled = _in_depth(pixels, image_type.dtype)
    if scaled is not pixels:
        done.append(f"scaled from {pixels.dtype} to {image_type.dtype}")
    return Decoded(scaled, alpha=alpha), " and ".join(done) or None


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C + 1) -> (H, W, C) of the same dtype."""
    colors, opacity = pixels[..., :-1], pixels[..., -1:]
    top = opaque_value(pixels.dtype)
    if (opacity == top).all():
        return colors
    weight = opacity.astype(np.float64) / top
    blend = colors * weight + top * (1 - weight)
    return (blend if pixels.dtype.kind == "f" else blend.round()).astype(pixels.dtype)


def _gray(colors: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB -> (H, W, 1): luma of ITU-R BT.601, the usual "grayscale"."""
    luma = colors.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return (luma if colors.dtype.kind == "f" else luma.round()).astype(colors.dtype)[..., None]


def _in_depth(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """Scaled from white to white; unchanged where the value of white is unknown."""
    if pixels.dtype == dtype or dtype == "float32":
        return pixels
    top = np.iinfo(dtype).max
    if pixels.dtype.kind == "f":
        is_unit = np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1
        return (pixels.astype(np.float64) * top).round().astype(dtype) if is_unit else pixels
    if pixels.dtype.kind == "i" and pixels.min() >= 0 and pixels.max() <= 65535:  # Pillow's mode I holds 16 bits
        pixels = pixels.astype(np.uint16)
    if pixels.dtype in (np.uint8, np.uint16):
        return (pixels * (top / np.iinfo(pixels.dtype).max)).round().astype(dtype)
    return pixels
