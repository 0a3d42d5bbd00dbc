"""Netpbm files, .pbm, .pgm, .ppm and .pnm: https://netpbm.sourceforge.net/doc/pnm.html.

Pillow, which reads them too, reduces 16-bit colour to 8 bits.
"""

import re

import numpy as np
from PIL import Image

MAGICS = tuple(b"P%d" % kind for kind in range(1, 7))

# White space and comments before a number; a comment ends with its line.
_SKIPPED = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADERS = {
    is_bitmap: re.compile(rb"P[1-6]" + (_SKIPPED + rb"(\d{1,9})") * (2 if is_bitmap else 3)) for is_bitmap in (0, 1)
}


def read(data: bytes) -> tuple[np.ndarray, int]:
    """The pixels of a file with one image, and the value of white.

    Returns:
        (H, W, 1 or 3) uint8 or, if white is above 255, uint16; and white, which is 1 for bitmaps.

    Raises:
        ValueError: if the file is damaged, or holds more than one image.
        DecompressionBombError: if it is more than twice as large as Pillow's limit.
    """
    kind = int(data[1:2])
    is_bitmap, is_plain = kind in (1, 4), kind <= 3
    header = _HEADERS[is_bitmap].match(data)
    if header is None:
        raise ValueError("malformed header")
    width, height, *rest = (int(number) for number in header.groups())
    white = 1 if is_bitmap else rest[0]
    if width == 0 or height == 0 or not 0 < white < 65536:
        raise ValueError(f"{width}x{height} pixels of 0 to {white}")
    if Image.MAX_IMAGE_PIXELS and width * height > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
    if not data[header.end() : header.end() + 1].isspace():
        raise ValueError("no white space after the header")
    raster = memoryview(data)[header.end() + 1 :]
    shape = (height, width, 3 if kind in (3, 6) else 1)
    if is_plain:
        pixels = _plain(bytes(raster), shape, is_bitmap)
    elif is_bitmap:
        rows = _whole(raster, np.dtype(np.uint8), (height, -(-width // 8)))
        pixels = np.unpackbits(rows, axis=1, count=width)[..., None]
    else:
        pixels = _whole(raster, np.dtype(np.uint8 if white < 256 else ">u2"), shape)
    if is_bitmap:
        pixels = 1 - pixels  # in these files 1 is black
    if int(pixels.max()) > white:
        raise ValueError(f"the value {pixels.max()} above white, {white}")
    return pixels.astype(np.uint8 if white < 256 else np.uint16, copy=False), white


def _whole(raster: memoryview, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(raster) < expected:
        raise ValueError(f"{len(raster)} bytes of {expected}")
    if bytes(raster[expected:]).strip():
        raise ValueError(f"{len(raster) - expected} bytes after the image")
    return np.frombuffer(raster[:expected], dtype).reshape(shape)


def _plain(raster: bytes, shape: tuple[int, ...], is_bitmap: bool) -> np.ndarray:
    """Numbers in ASCII; digits of bitmaps need no space between them."""
    count = int(np.prod(shape, dtype=object))
    if count > len(raster):  # before memory is allocated for them
        raise ValueError(f"{len(raster)} bytes for {count} numbers")
    words = re.sub(rb"#[^\r\n]*", b"", raster)
    if re.fullmatch(rb"[01\s]*" if is_bitmap else rb"[\d\s]*", words) is None:
        raise ValueError("characters other than digits among the pixels")
    if is_bitmap:
        numbers = np.frombuffer(b"".join(words.split()), np.uint8) - ord("0")
    else:
        numbers = np.fromstring(words.decode("ascii"), np.int64, sep=" ")
    if len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers of {count}")
    return numbers.reshape(shape)
