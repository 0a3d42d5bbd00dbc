"""Decode the accepted image formats, bytes -> array of the file's own bit depth."""

import importlib.util
import io
import math
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import simplejpeg
from PIL import Image, features

from pix2pix_lit.errors import UserError
from pix2pix_lit.images import netpbm, tiff
from pix2pix_lit.images.decoded import ORIENTATION, Decoded, gray_palette, upright

HAS_AVIF = features.check("avif")
"""Whether the installed Pillow reads AVIF."""

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None
"""Whether pillow-heif is installed, Pillow's plug-in for HEIC."""

Image.init()  # registers all formats by name
_EXIF_KEYS = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # where Pillow keeps what may hold it
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # ISO/IEC 23008-12, annex B
_JP2_MAGIC, _J2K_MAGIC = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_JP2_COLORS = (16, 17)  # sRGB and gray (ISO/IEC 15444-1, table I.10)


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
    return Decoded(upright(pixels, orientation))


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
            return Decoded(upright(pixels, _orientation(image)), alpha=pixels.shape[-1] in (2, 4))
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
    return Decoded(upright(pixels.reshape(*pixels.shape[:2], -1), orientation), alpha=image.mode in ("LA", "RGBA"))


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
        palette = gray_palette(bits)
        if alpha:
            opaque = 255 * (np.arange(len(palette)) != image.info["transparency"] & (len(palette) - 1))
            palette = np.stack([palette[:, 0], opaque.astype(np.uint8)], -1)
    elif image.mode not in ("L", "RGB", "RGBA"):
        raise ValueError(f"unexpected mode {image.mode}")
    pixels = np.asarray(image)
    pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    if palette is not None and image.mode == "L":
        pixels = pixels // (255 // (2**bits - 1))
    return Decoded(upright(pixels.reshape(*pixels.shape[:2], -1), orientation), palette, alpha)


def _refuse_frames(image: Image.Image, path: str) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UserError(
            f"{path} is an animation of {frames} pictures; expected one: save the wanted one as a file of its own"
        )


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
        return Decoded(pixels.astype(np.uint8), gray_palette(1))
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
    b"II*\0": tiff.read,
    b"MM\0*": tiff.read,
    b"II+\0": tiff.read,  # BigTIFF
    b"MM\0+": tiff.read,
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


def _orientation(image: Image.Image) -> int:
    # Without this check Pillow decodes the whole PNG in search of EXIF after the pixels.
    return image.getexif().get(ORIENTATION, 1) if _EXIF_KEYS & image.info.keys() else 1
