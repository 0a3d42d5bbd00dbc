"""Strict conversion for training: a file must match its image type in channels, depth, transparency and classes."""

from functools import cache
from typing import NoReturn

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoded import Decoded, opaque_value
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import COLOR_VALUES, ID_VALUES, PALETTES, label_ids_of, nearest_indices

_OF_TYPE = "of this image type (data.source.a or data.source.b)"


def fit(decoded: Decoded, image_type: ImageType, path: str) -> np.ndarray:
    """Decoded image -> (H, W, planes) of ``image_type.stored_dtype``, contiguous and writable.

    Nothing is scaled, rounded or dropped silently. Gray becomes RGB, RGB with equal channels becomes gray, opaque
    alpha is dropped, transparent pixels are composited on ``image_type.background``, and label values become class
    numbers. Any other difference from the type is refused. ``path`` is for messages.

    Raises:
        UserError: naming the setting to change, if another type would fit.
    """
    if decoded.pages > 1 and image_type.planes in (1, 3):
        is_free = image_type.kind == "continuous"
        _refuse(
            path,
            f"holds {decoded.pages} pages",
            "a single image",
            "save the wanted page as a file of its own"
            + f", or set channels={decoded.pages} {_OF_TYPE} if every page is a channel" * is_free,
        )
    if image_type.instance_edges:
        pixels = _labels_and_instances(decoded, image_type, path)
    elif image_type.values in COLOR_VALUES:
        pixels = _class_numbers_of_colors(decoded, image_type, path)
    elif image_type.classes is not None:
        pixels = _class_numbers(_indices_or_gray(decoded, image_type, path), image_type, path)
    else:
        colors = _colors(decoded, path)
        opaque = opaque_value(colors.dtype) if decoded.alpha else None
        pixels = _in_channels(_in_depth(colors, image_type, path), opaque, image_type, path)
    return np.require(pixels, image_type.stored_dtype, ("C_CONTIGUOUS", "WRITEABLE"))


def _refuse(path: str, found: str, expected: str, remedy: str) -> NoReturn:
    raise UserError(f"{path} {found}; expected {expected}: {remedy}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _colors(decoded: Decoded, path: str) -> np.ndarray:
    """(H, W, C): colours from the palette, if there is one."""
    if decoded.palette is None:
        return decoded.pixels
    highest, count = int(decoded.pixels.max()), len(decoded.palette)
    if highest >= count:
        _refuse(path, f"uses colour {highest} of a palette of {count}", f"0 to {count - 1}", "repair the file")
    return decoded.palette.take(decoded.pixels[..., 0], axis=0)


def _in_channels(pixels: np.ndarray, opaque: int | None, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, C) -> (H, W, channels) of the same depth; ``opaque`` is an opaque pixel's alpha, None without alpha."""
    channels = image_type.channels
    if pixels.shape[-1] == channels:
        return pixels
    if opaque is None or channels not in (1, 3):
        return _gray_or_rgb(pixels, image_type, path)
    colors = _gray_or_rgb(pixels[..., :-1], image_type, path)
    return _on_background(colors, pixels[..., -1:], opaque, image_type, path)


def _gray_or_rgb(pixels: np.ndarray, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, C) -> (H, W, channels) where that loses nothing."""
    wanted, found = image_type.channels, pixels.shape[-1]
    if found == wanted:
        return pixels
    if found == 1 and wanted == 3 and image_type.kind == "continuous":
        return pixels.repeat(3, -1)
    if found == 3 and wanted == 1 and _is_gray(pixels):
        return pixels[..., :1]
    if pixels.shape[0] == wanted and found > 4:
        remedy = f"store arrays as (height, width, channels), not as {pixels.shape}"
    elif image_type.kind == "ids":
        remedy = f"set kind=colors {_OF_TYPE} if colours stand for classes, or convert the file"
    elif image_type.kind == "colors":
        remedy = f"convert the file, or set kind=ids and classes {_OF_TYPE} if its shades are class numbers"
    else:
        remedy = f"set channels={found} {_OF_TYPE}, or convert the file"
    expected = "one channel, or equal ones" if wanted == 1 else f"{wanted}"
    _refuse(path, f"has {_count(found, 'channel')}", expected, remedy)


def _is_gray(colors: np.ndarray) -> bool:
    first, second, third = np.moveaxis(colors, -1, 0)
    return np.array_equal(first, second) and np.array_equal(first, third)


def _on_background(colors: np.ndarray, alpha: np.ndarray, top: int, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, channels) and (H, W, 1) from 0 to ``top`` -> (H, W, channels), of the same depth."""
    if (alpha == top).all():
        return colors
    background = image_type.background
    if background is None:
        value = "[255,255,255]" if image_type.channels == 3 else "[255]"
        _refuse(
            path,
            f"has {_count(int(np.count_nonzero(alpha != top)), 'transparent pixel')}",
            "opaque pixels, or a background colour",
            f"set for example background={value} {_OF_TYPE}, or flatten the file",
        )
    backdrop = np.array(background, colors.dtype)
    if image_type.is_labels:
        return np.where(alpha > top / 2, colors, backdrop)
    weight = alpha.astype(np.float64) / top
    blend = colors * weight + backdrop * (1 - weight)
    return (blend if colors.dtype.kind == "f" else blend.round()).astype(colors.dtype)


def _in_depth(pixels: np.ndarray, image_type: ImageType, path: str) -> np.ndarray:
    """The same values in ``image_type.dtype``, if it can hold them."""
    wanted, found = image_type.dtype, pixels.dtype
    if found == wanted:
        if wanted == "float32":
            _refuse_not_finite(pixels, path)
        return pixels
    if wanted == "float32":
        if found.kind == "f":
            with np.errstate(over="ignore"):  # becomes infinity
                pixels = pixels.astype(np.float32)
            _refuse_not_finite(pixels, path)
        elif found.itemsize > 2 and max(int(pixels.max()), -int(pixels.min())) > 2**24:
            _refuse(
                path,
                f"holds integers from {pixels.min()} to {pixels.max()}",
                "integers up to 16777216, which float32 represents exactly",
                "convert the file",
            )
        return pixels.astype(np.float32)
    if wanted == "uint16" and found.kind in "ui" and found != np.uint8:
        return _as_uint16(pixels, path)
    if found.kind == "f":
        setting = "dtype=float32 and range=[low,high]"
    else:
        setting = f"dtype={'uint8' if found == np.uint8 else 'uint16'}"
    if pixels.shape[-1] == 1 < image_type.channels:
        setting = f"channels=1 and {setting}"
    found_depth = f"{8 * found.itemsize}-bit {'floats' if found.kind == 'f' else 'integers'}"
    _refuse(path, f"holds {found_depth} ({found})", f"{wanted}", f"set {setting} {_OF_TYPE}, or convert the file")


def _refuse_not_finite(pixels: np.ndarray, path: str) -> None:
    finite = np.isfinite(pixels)
    if not finite.all():
        count = _count(finite.size - np.count_nonzero(finite), "infinite or NaN value")
        _refuse(path, f"holds {count}", "finite values", "replace them in the file")


def _as_uint16(pixels: np.ndarray, path: str) -> np.ndarray:
    if pixels.dtype.kind not in "ui" or int(pixels.min()) < 0 or int(pixels.max()) > 65535:
        _refuse(
            path,
            f"holds numbers of type {pixels.dtype} from {pixels.min()} to {pixels.max()}",
            "integers from 0 to 65535",
            "convert the file",
        )
    return pixels.astype(np.uint16, copy=False)


def _indices_or_gray(decoded: Decoded, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, 1): the values of a label file; the indices of a file with a palette, whatever its colours."""
    if decoded.palette is not None:
        return decoded.pixels
    opaque = opaque_value(decoded.pixels.dtype) if decoded.alpha else None
    return _in_channels(decoded.pixels, opaque, image_type, path)


def _class_numbers(labels: np.ndarray, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, 1) values of a label file -> class numbers."""
    if labels.dtype.kind not in "ui":
        _refuse(path, f"holds {labels.dtype} numbers", "integers that stand for classes", "convert the file")
    stored = labels
    if isinstance(image_type.values, str):
        labels = label_ids_of(stored)
    lowest, highest = int(labels.min()), int(labels.max())
    if image_type.values is None:
        legal = np.arange(image_type.classes or 0)
        if lowest >= 0 and highest < len(legal):
            return labels
        expected = f"0 to {len(legal) - 1}"
    else:
        table = _class_of_value(image_type.values)
        if lowest >= 0 and highest < len(table):
            numbers = table[: highest + 1].take(labels)
            if numbers.min() >= 0:
                return numbers
        legal = np.flatnonzero(table >= 0)
        expected = f"one of {', '.join(map(str, legal[:40]))}{', ...' * (len(legal) > 40)}"
    values, counts = np.unique(stored, return_counts=True)
    illegal = ~np.isin(label_ids_of(values) if isinstance(image_type.values, str) else values, legal)
    others = int(np.count_nonzero(illegal)) - 1
    more = f" and {_count(others, 'other illegal value')}" * (others > 0)
    _refuse(
        path,
        f"holds the value {values[illegal][0]} in {_count(counts[illegal][0], 'pixel')}{more}",
        expected,
        f"correct the file, or set classes and values {_OF_TYPE}",
    )


def _class_numbers_of_colors(decoded: Decoded, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, 1): the class of the nearest colour of the palette at every pixel."""
    palette, classes = COLOR_VALUES[str(image_type.values)]
    as_colors = ImageType(kind="colors")
    colors = _colors(decoded, path)
    opaque = opaque_value(colors.dtype) if decoded.alpha else None
    colors = _in_channels(_in_depth(colors, as_colors, path), opaque, as_colors, path)
    return np.array(classes)[nearest_indices(colors, PALETTES[palette])][..., None]


@cache
def _class_of_value(values: str | tuple[int, ...]) -> np.ndarray:
    """(65536,) class number of every value, -1 for values without a class."""
    table = ID_VALUES[values] if isinstance(values, str) else {value: number for number, value in enumerate(values)}
    classes = np.full(65536, -1, np.int32)
    for value, number in table.items():
        if 0 <= value < len(classes):
            classes[value] = number
    return classes


def _labels_and_instances(decoded: Decoded, image_type: ImageType, path: str) -> np.ndarray:
    """(H, W, planes) uint16 of a file with labels and, in its last channel, instance numbers.

    With a named table of ``values`` the file may also hold the instance ids of Cityscapes.
    """
    pixels = decoded.pixels
    if isinstance(image_type.values, str) and pixels.shape[-1] == 1 and pixels.dtype != np.uint8:
        pixels = pixels.repeat(2, -1)  # the instance ids of Cityscapes, which contain the class
    if decoded.palette is not None or decoded.alpha or pixels.shape[-1] != image_type.planes:
        _refuse(
            path,
            f"has {_count(pixels.shape[-1], 'channel')}{', the last of them alpha' * decoded.alpha}",
            f"{image_type.planes}, since instance_edges=true: labels and, in the last channel, instance numbers",
            f"store both as .npy or multi-page TIFF, use a data set that has instance files, or set "
            f"instance_edges=false {_OF_TYPE}",
        )
    pixels = _as_uint16(pixels, path)
    labels, instances = pixels[..., :-1], pixels[..., -1:]
    if image_type.classes is not None:
        labels = _class_numbers(labels, image_type, path).astype(np.uint16)
    elif labels.max() > 255:
        _refuse(path, f"holds colours up to {labels.max()}", "0 to 255", "convert the file")
    return np.concatenate([labels, instances], -1)
