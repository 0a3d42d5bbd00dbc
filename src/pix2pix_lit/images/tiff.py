"""TIFF and BigTIFF files; what tifffile would pass to other decoders, guess at or fill with zeros is refused."""

import io
import logging
import math
import struct

import numpy as np
import tifffile
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoded import ORIENTATION, Decoded, gray_palette, opaque_value, upright

# Warnings of tifffile that matter are raised as errors here; a log would go unread.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_REQUIRED = (256, 257, 259, 262)  # tags of size, compression and photometric interpretation
_SUBSTITUTES = 0b1  # the flag of pages that are smaller versions of another


def read(data: bytes, path: str) -> Decoded:
    """The image of a TIFF or BigTIFF file: its one page, or its pages as channels.

    Raises:
        UserError: for a compression, a number of bits, or colours that are not supported, and for several pictures.
        ValueError: if the file is damaged.
        DecompressionBombError: if it is more than twice as large as Pillow's limit.
    """
    links = _count_links(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if len(file.pages) != links:
            raise ValueError("a page cannot be read")
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        pages = [page for page in pages if not page.subfiletype & _SUBSTITUTES] or pages
        first = pages[0]
        count = len(pages)
        for page in pages:
            _check_page(page, count, len(data), path)
        if count > 1 and (
            len({(page.shaped, page.dtype, page.photometric) for page in pages}) > 1
            or first.samplesperpixel > 1
            or first.bitspersample < 8
            or first.photometric == tifffile.PHOTOMETRIC.PALETTE
        ):
            shapes = ", ".join(f"{page.imagewidth}x{page.imagelength}x{page.samplesperpixel}" for page in pages[:4])
            raise UserError(
                f"{path} holds {count} pages of {shapes}{', ...' if count > 4 else ''} (width x height x samples); "
                f"expected one page, or one a channel, equal in size and type, of one sample of 8 bits or more: save "
                f"the wanted page as a file of its own"
            )
        if count == 1:
            return _read_page(first, path)
        return Decoded(np.concatenate([_read_page(page, path).pixels for page in pages], -1), pages=count)


def _count_links(data: bytes) -> int:
    """Number of pages by their links (TIFF 6.0, section 2); raises at a broken link, where tifffile just stops."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    link, count, tag_size = (order + "Q", order + "Q", 20) if is_big else (order + "I", order + "H", 12)
    seen = set()
    (offset,) = struct.unpack_from(link, data, 8 if is_big else 4)
    while offset:
        if offset in seen:
            raise ValueError("the list of pages is circular")
        seen.add(offset)
        (tags,) = struct.unpack_from(count, data, offset)
        (offset,) = struct.unpack_from(link, data, offset + struct.calcsize(count) + tags * tag_size)
    return len(seen)


def _check_page(page: tifffile.TiffPage, count: int, file_size: int, path: str) -> None:
    """Refuse pages that tifffile would pass to other decoders, guess at, or fill with zeros."""
    if page.compression not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        accepted = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise UserError(f"{path} is a TIFF compressed by {name}; expected one of {accepted}: save it as such")
    if page.dtype is None or page.dtype.kind not in "buif" or page.bitspersample not in (1, 2, 4, 8, 16, 32, 64):
        raise UserError(
            f"{path} is a TIFF of {page.bitspersample} bits a sample (format {page.sampleformat}); expected integers "
            f"of 1, 2, 4, 8, 16 or 32 bits, or floats: convert the file"
        )
    values = math.prod(page.shaped)
    samples = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
    if values == 0 or page.imagedepth != 1 or page.samplesperpixel < samples or page.planarconfig not in (1, 2):
        raise ValueError(f"samples of shape {page.shaped}, planar configuration {page.planarconfig}")
    if any(tag not in page.tags for tag in _REQUIRED) or (page.compression == 1 and page.predictor != 1):
        raise ValueError("tags that describe the pixels are missing")
    most = 2 * 4 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else math.inf  # bytes of Pillow's largest RGBA
    if count * values * page.dtype.itemsize > most:
        raise Image.DecompressionBombError(f"{count} pages of {page.shaped}")
    offsets, sizes = page.dataoffsets, page.databytecounts
    if not len(offsets) == len(sizes) == math.prod(page.chunked):
        raise ValueError(f"{len(offsets)} offsets and {len(sizes)} sizes of {math.prod(page.chunked)} strips")
    if any(size <= 0 or start <= 0 or start + size > file_size for start, size in zip(offsets, sizes, strict=True)):
        raise ValueError("strips beyond the end of the file")
    if page.compression == 1 and sum(sizes) * 8 < values * page.bitspersample:
        raise ValueError("strips too short")


def _read_page(page: tifffile.TiffPage, path: str) -> Decoded:
    # (separate samples, 1, H, W, samples side by side); threads are for processes that have a machine to themselves
    planes = page.asarray(squeeze=False, maxworkers=1)[:, 0]
    pixels = planes.transpose(1, 2, 0, 3).reshape(page.imagelength, page.imagewidth, -1)
    bits = page.bitspersample
    photometric, samples, extra = page.photometric, page.samplesperpixel, page.extrasamples
    alpha = samples in (2, 4) and len(extra) == 1 and extra[0] in (1, 2)
    palette = None
    if photometric == tifffile.PHOTOMETRIC.PALETTE and samples == 1 and page.colormap is not None and bits <= 16:
        colors = page.colormap if page.colormap.max() < 256 else page.colormap >> 8  # some have 8 bits, as libtiff says
        palette = np.ascontiguousarray(colors.astype(np.uint8).T)
    elif photometric == tifffile.PHOTOMETRIC.MINISWHITE and samples == 1 and pixels.dtype.kind in "bu":
        pixels = ~pixels if pixels.dtype == bool else np.asarray(2**bits - 1, pixels.dtype) - pixels
    elif photometric == tifffile.PHOTOMETRIC.SEPARATED and samples == 4 and pixels.dtype == np.uint8:
        size = page.imagewidth, page.imagelength
        pixels = np.asarray(Image.frombytes("CMYK", size, pixels.tobytes()).convert("RGB"))
        alpha = False
    elif photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
        name = getattr(photometric, "name", photometric)
        raise UserError(
            f"{path} is a TIFF of photometric interpretation {name} with {samples} samples of {bits} bits; expected "
            f"gray, RGB, a palette or 8-bit CMYK: convert it to RGB or gray"
        )
    if bits < 8 and palette is None:
        if samples > 1:
            raise UserError(f"{path} is a TIFF of {samples} samples of {bits} bits; expected 8 or more: convert it")
        pixels, palette = pixels.astype(np.uint8), gray_palette(bits)
    if alpha and extra[0] == 1 and (pixels[..., -1] != opaque_value(pixels.dtype)).any():
        raise UserError(
            f"{path} is a transparent TIFF whose colours are multiplied by its alpha channel; expected straight alpha: "
            f"lay it on a background, or convert it"
        )
    orientation = page.tags.valueof(ORIENTATION, default=1)
    return Decoded(upright(pixels, orientation), palette, alpha)
