"""Decode the accepted image formats, bytes -> array of the file's own bit depth."""

import importlib.util
import io
import logging
import math
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import imagecodecs
import numpy as np
import simplejpeg
import tifffile
from PIL import Image, features

from pix2pix_lit.errors import UserError
from pix2pix_lit.images import netpbm

HAS_AVIF = features.check("avif")
"""Whether the installed Pillow reads AVIF."""

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None
"""Whether pillow-heif is installed, Pillow's plug-in for HEIC."""

Image.init()  # registers all formats by name
# Warnings of tifffile that matter are raised as errors here; a log would go unread.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_ORIENTATION = 0x0112  # the tag of EXIF and TIFF
_EXIF_KEYS = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # where Pillow keeps what may hold it
_TIFF_COMPRESSIONS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_TIFF_REQUIRED = (256, 257, 259, 262)  # tags of size, compression and photometric interpretation
_TIFF_SUBSTITUTES = 0b1  # the flag of pages that are smaller versions of another
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # ISO/IEC 23008-12, annex B
_JP2_MAGIC, _J2K_MAGIC = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_JP2_COLORS = (16, 17)  # sRGB and gray (ISO/IEC 15444-1, table I.10)


class Decoded(NamedTuple):
    """Contents of an image file, turned upright.

    Attributes:
        pixels: (H, W, C): indices (uint8 or uint16) if there is a ``palette``, else values in the file's own depth,
            integers or floats in the machine's byte order.
        palette: (number of colours, 1 to 4) uint8: gray, gray and alpha, RGB or RGBA of every index. Gray files of
            fewer than 8 bits have one too: both their numbers and their shades are needed.
        alpha: whether the last channel (of the palette, if there is one) is opacity.
        pages: number of pages that the channels come from; 1 except for multi-page TIFF.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    alpha: bool = False
    pages: int = 1


def decode(data: bytes, path: str) -> Decoded:
    """Decode the contents of a file, whose first bytes determine the format (TGA, which has no magic number, is
    recognised by ``path`` or by its footer).

    Raises:
        UserError: for variants of an accepted format that are not supported.
        Exception: of any type for files that are damaged or of another format.
    """
    decoder = next((decoder for magic, decoder in _DECODERS.items() if data.startswith(magic)), None)
    if decoder is None and data[4:8] == b"ftyp":
        decoder = _avif_or_heif
    if decoder is None and (path.lower().endswith(".tga") or data.endswith(b"TRUEVISION-XFILE.\0")):
        decoder = _tga
    if decoder is None:
        raise ValueError("unknown format")
    try:
        return decoder(data, path)
    except struct.error as error:
        raise ValueError("cut short") from error


def looks_like_image(head: bytes) -> bool:
    """Whether the first bytes of a file are the magic number of an image format; two letters are not enough."""
    return head[4:8] == b"ftyp" or any(head.startswith(magic) for magic in _DECODERS if len(magic) > 2)


def _jpeg(data: bytes, path: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:  # the header alone
        mode, size, orientation = image.mode, image.size, _orientation(image)
    colors = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[mode]
    pixels = simplejpeg.decode_jpeg(data, colors, strict=True)  # Pillow is slower and accepts damaged files
    if mode == "CMYK":
        inverted = (255 - pixels).tobytes()  # as Adobe's programs write CMYK, and as Pillow expects it
        pixels = np.asarray(Image.frombytes("CMYK", size, inverted).convert("RGB"))
    return Decoded(_upright(pixels, orientation))


def _png(data: bytes, path: str) -> Decoded:
    kinds = _png_chunks(data)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:  # the header alone
        _refuse_frames(image, path)
        depth, color = data[24], data[25]
        if b"eXIf" in kinds and "exif" not in image.info:
            image.load()  # reads on to the chunks after the pixels
        if depth >= 8 and color != 3:
            # Pillow reduces 16-bit colour to 8 bits, and takes twice as long.
            pixels = imagecodecs.png_decode(data)
            pixels = pixels.reshape(*pixels.shape[:2], -1)
            return Decoded(_upright(pixels, _orientation(image)), alpha=pixels.shape[-1] in (2, 4))
        return _from_pillow(image, bits=depth)


def _png_chunks(data: bytes) -> set[bytes]:
    """The types of chunks; ``ValueError`` for a wrong checksum, which decoders ignore in some chunks."""
    kinds, position = set(), 8
    while b"IEND" not in kinds:
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if struct.unpack_from(">I", data, end)[0] != zlib.crc32(memoryview(data)[position + 4 : end]):
            raise ValueError(f"wrong checksum of {kind!r}")
        kinds.add(kind)
        position = end + 4
    return kinds


def decode_pillow(image: Image.Image) -> Decoded:
    """Decode a Pillow image, turned upright; modes other than gray, RGB and palette are converted to RGB."""
    mode = image.mode
    if mode in ("1", "P", "L", "RGB", "RGBA"):
        return _from_pillow(image)
    orientation = _orientation(image)
    if mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert("LA" if mode in ("LA", "La") else "RGBA")
    elif mode not in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return Decoded(_upright(pixels.reshape(*pixels.shape[:2], -1), orientation), alpha=image.mode in ("LA", "RGBA"))


def _bmp_or_webp(data: bytes, path: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=("BMP", "WEBP")) as image:
        _refuse_frames(image, path)
        return _from_pillow(image)


def _from_pillow(image: Image.Image, bits: int = 8) -> Decoded:
    """Decode an image that Pillow opened: 8 bits a channel, indices, or gray of fewer ``bits`` stretched to 8."""
    image.load()
    orientation = _orientation(image)
    alpha = image.has_transparency_data
    palette = None
    if image.mode == "P":
        image.apply_transparency()
        palette = np.array(image.getpalette("RGBA" if alpha else "RGB"), np.uint8).reshape(-1, 3 + alpha)
    elif image.mode == "1" or bits < 8:
        bits = 1 if image.mode == "1" else bits
        palette = _gray_palette(bits)
        if alpha:
            opaque = 255 * (np.arange(len(palette)) != image.info["transparency"] & (len(palette) - 1))
            palette = np.stack([palette[:, 0], opaque.astype(np.uint8)], -1)
    elif image.mode not in ("L", "RGB", "RGBA"):
        raise ValueError(f"unexpected mode {image.mode}")
    pixels = np.asarray(image)
    pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    if palette is not None and image.mode == "L":
        pixels = pixels // (255 // (2**bits - 1))
    return Decoded(_upright(pixels.reshape(*pixels.shape[:2], -1), orientation), palette, alpha)


def _refuse_frames(image: Image.Image, path: str) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UserError(
            f"{path} is an animation of {frames} pictures; expected one: save the wanted one as a file of its own"
        )


def _tiff(data: bytes, path: str) -> Decoded:
    links = _count_tiff_links(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if len(file.pages) != links:
            raise ValueError("a page cannot be read")
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        pages = [page for page in pages if not page.subfiletype & _TIFF_SUBSTITUTES] or pages
        first = pages[0]
        count = len(pages)
        for page in pages:
            _check_tiff_page(page, count, len(data), path)
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
            return _tiff_page(first, path)
        return Decoded(np.concatenate([_tiff_page(page, path).pixels for page in pages], -1), pages=count)


def _count_tiff_links(data: bytes) -> int:
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


def _check_tiff_page(page: tifffile.TiffPage, count: int, file_size: int, path: str) -> None:
    """Refuse pages that tifffile would pass to other decoders, guess at, or fill with zeros."""
    if page.compression not in _TIFF_COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        accepted = ", ".join(dict.fromkeys(_TIFF_COMPRESSIONS.values()))
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
    if any(tag not in page.tags for tag in _TIFF_REQUIRED) or (page.compression == 1 and page.predictor != 1):
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


def _tiff_page(page: tifffile.TiffPage, path: str) -> Decoded:
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
        pixels, palette = pixels.astype(np.uint8), _gray_palette(bits)
    if alpha and extra[0] == 1 and (pixels[..., -1] != opaque_value(pixels.dtype)).any():
        raise UserError(
            f"{path} is a transparent TIFF whose colours are multiplied by its alpha channel; expected straight alpha: "
            f"lay it on a background, or convert it"
        )
    orientation = page.tags.valueof(_ORIENTATION, default=1)
    return Decoded(_upright(pixels, orientation), palette, alpha)


def _npy(data: bytes, path: str) -> Decoded:
    file = io.BytesIO(data)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, is_fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    if len(shape) not in (2, 3) or 0 in shape or dtype.kind not in "buif":
        raise UserError(
            f"{path} is an array of shape {shape} and type {dtype}; expected numbers of shape (H, W) or (H, W, N)"
        )
    if dtype.itemsize * math.prod(shape) != len(data) - file.tell():
        raise ValueError(f"{len(data) - file.tell()} bytes for an array of shape {shape} and type {dtype}")
    array = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if is_fortran else "C")
    pixels = array.reshape(*shape[:2], -1)
    if dtype.kind == "b":
        return Decoded(pixels.astype(np.uint8), _gray_palette(1))
    return Decoded(pixels.astype(dtype.newbyteorder("="), copy=False))


def _netpbm(data: bytes, path: str) -> Decoded:
    pixels, white = netpbm.read(data)
    if white in (255, 65535):
        return Decoded(pixels)
    top = 255 if white < 256 else 65535
    shades = np.round(np.arange(white + 1) * (top / white)).astype(pixels.dtype)
    if white < 256 and pixels.shape[-1] == 1:
        return Decoded(pixels, shades[:, None])
    return Decoded(shades.take(pixels))


def _gif(data: bytes, path: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=("GIF",)) as image:
        return _from_pillow(image)  # an animation's first picture


def _tga(data: bytes, path: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=("TGA",)) as image:
        decoded = decode_pillow(image)
    has_alpha = data[17] & 0b1111  # alpha bits per pixel (TGA 2.0, field 5.6); without them, the channel is zeros
    return decoded if has_alpha or not decoded.alpha else Decoded(decoded.pixels[..., :-1])


def _jpeg_2000(data: bytes, path: str) -> Decoded:
    """Values as OpenJPEG decodes them, 9 to 16 bits in uint16; Pillow reduces 16-bit colour to 8 bits."""
    start = data.index(_J2K_MAGIC)
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    width, height = right - left, bottom - top
    (channels,) = struct.unpack_from(">H", data, start + 40)
    samples = {struct.unpack_from(">3B", data, start + 42 + 3 * channel) for channel in range(channels)}
    bits = 1 + next(iter(samples))[0] if samples else 0
    if width <= 0 or height <= 0 or not channels:
        raise ValueError(f"{width}x{height} pixels of {channels} channels")
    if Image.MAX_IMAGE_PIXELS and width * height * max(1, channels / 4) > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{width}x{height} pixels of {channels} channels")
    if len(samples) > 1 or next(iter(samples))[1:] != (1, 1) or not 8 <= bits <= 16:
        raise UserError(
            f"{path} is a JPEG 2000 file of signed or subsampled channels, or of less than 8 or more than 16 bits "
            f"each; expected equal ones of 8 to 16 bits: convert the file"
        )
    header = data[:start]
    kind = header.find(b"colr")
    if b"pclr" in header or (kind >= 0 and header[kind + 4] == 1 and header[kind + 10] not in _JP2_COLORS):
        raise UserError(
            f"{path} is a JPEG 2000 file of a palette, or of a colour space other than RGB and gray; expected RGB or "
            f"gray: convert the file"
        )
    pixels = imagecodecs.jpeg2k_decode(data)
    if pixels.shape[:2] != (height, width):
        raise ValueError(f"pixels of shape {pixels.shape}")
    pixels = pixels.reshape(height, width, -1)
    return Decoded(pixels, alpha=channels in (2, 4))


def _avif_or_heif(data: bytes, path: str) -> Decoded:
    (size,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in range(8, min(size, 256), 4)}  # the second is a version and matches nothing
    if brands & {b"avif", b"avis"}:
        if not HAS_AVIF:
            raise UserError(
                f"{path} is an AVIF file, which the installed Pillow cannot read: install another build of Pillow "
                f"(those of PyPI can), or convert the file to JPEG or PNG"
            )
        format = "AVIF"
    elif brands & _HEIF_BRANDS:
        if not HAS_HEIF:
            raise UserError(
                f"{path} is a HEIC file, as Apple's cameras write them, which is not supported: pip install "
                f"pillow-heif, or convert it to JPEG or PNG (phones: Settings, Camera, Formats, Most Compatible)"
            )
        import pillow_heif

        pillow_heif.register_heif_opener()
        format = "HEIF"
    else:
        raise ValueError("unknown format")
    with Image.open(io.BytesIO(data), formats=(format,)) as image:
        if format == "AVIF":
            _refuse_frames(image, path)  # further images of a HEIC file are thumbnails and the like
        return _from_pillow(image)


def _unread(name: str) -> Callable[[bytes, str], Decoded]:
    def refuse(data: bytes, path: str) -> Decoded:
        raise UserError(f"{path} is {name} file, which is not supported: convert it to PNG or TIFF")

    return refuse


_DECODERS: dict[bytes, Callable[[bytes, str], Decoded]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"BM": _bmp_or_webp,
    b"RIFF": _bmp_or_webp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"II+\0": _tiff,  # BigTIFF
    b"MM\0+": _tiff,
    b"\x93NUMPY": _npy,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    **dict.fromkeys(netpbm.MAGICS, _netpbm),
    _JP2_MAGIC: _jpeg_2000,
    _J2K_MAGIC: _jpeg_2000,
    b"\xff\n": _unread("a JPEG XL"),
    b"\0\0\0\x0cJXL ": _unread("a JPEG XL"),
    b"8BPS": _unread("a Photoshop"),
    b"\x76\x2f\x31\x01": _unread("an OpenEXR"),
}


def opaque_value(dtype: np.dtype) -> int:
    """The alpha value of an opaque pixel: the largest integer, or 1 for floats."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def _gray_palette(bits: int) -> np.ndarray:
    return np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None]


def _orientation(image: Image.Image) -> int:
    # Without this check Pillow decodes the whole PNG in search of EXIF after the pixels.
    return image.getexif().get(_ORIENTATION, 1) if _EXIF_KEYS & image.info.keys() else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as stored -> upright, by the orientations of EXIF 2.32; unknown ones count as upright."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
