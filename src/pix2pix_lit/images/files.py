"""Image files: reading and writing them."""

import io
import os
import stat
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.images.decoded import Decoded
from pix2pix_lit.images.decoders import decode
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.metadata import NO_METADATA, ImageMetadata
from pix2pix_lit.images.strict import fit

WRITTEN_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".npy")
"""Suffixes that can be written, compared case-insensitively; more can be read: ``listing.SUFFIXES``."""

FORMATS = "JPEG, PNG, TIFF, BMP, WebP, GIF, Netpbm (.ppm, .pgm, ...), TGA, JPEG 2000, AVIF or .npy"
"""Formats that can be read, for messages."""

_LOSSY = (".jpg", ".jpeg")
_EIGHT_BIT = (".jpg", ".jpeg", ".bmp", ".webp")


def read_image(path: str | os.PathLike[str], image_type: ImageType = RGB) -> np.ndarray:
    """Read an image file as (H, W, planes) of ``image_type.stored_dtype``, turned upright by its EXIF orientation.

    The format is recognised by the contents, not by the name. For palettes, alpha and class numbers see
    ``strict.fit``.

    Raises:
        UserError: if the file is missing, damaged or no image, would need too much memory, or is not of the type.
    """
    return fit(decode_file(path), image_type, str(path))


def decode_file(path: str | os.PathLike[str]) -> Decoded:
    """Decode an image file: turned upright, in its own bit depth.

    Raises:
        UserError: if the file is missing, damaged or no image, or would need too much memory.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a pipe would block, a device never ends
            raise UserError(f"{path} cannot be read as an image (it is a device or a pipe); expected a file")
        data = Path(path).read_bytes()
    except FileNotFoundError:
        found = f"is a link to {os.readlink(path)}, which does not exist" if os.path.islink(path) else "does not exist"
        raise UserError(f"{path} {found}; expected an image file: check the path") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:  # ValueError for names with NUL
        raise UserError(f"{path} cannot be read as an image ({error}); expected a file: check the path") from error
    return _decode(data, str(path))


def decode_image(data: bytes, path: str, image_type: ImageType = RGB) -> np.ndarray:
    """``read_image`` for the contents of a file; ``path`` is its name in messages."""
    return fit(_decode(data, path), image_type, path)


def _decode(data: bytes, path: str) -> Decoded:
    try:
        return decode(data, path)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to be decoded safely ({error}): scale or cut the image first") from error
    except Exception as error:  # decoders raise many kinds for broken files: SyntaxError, struct.error, ...
        raise UserError(
            f"{path} cannot be read as an image ({type(error).__name__}: {error}); expected an intact "
            f"file of {FORMATS}: if an image viewer can open it, save it again there, otherwise replace or remove it"
        ) from error


def write_image(path: str | os.PathLike[str], image: np.ndarray, metadata: ImageMetadata = NO_METADATA) -> None:
    """Write (H, W, C) losslessly (except JPEG) in the format of the path's suffix; missing folders are created.

    PNG holds 1 to 4 channels of uint8 or uint16 (2 and 4 with alpha), TIFF and .npy any number of uint8, uint16 or
    float32, the others 1 or 3 channels of uint8. JPEG is written at quality 95 without chroma subsampling, which keeps
    colours within their pixels. The write is atomic. The file gets the ``metadata`` that its format supports; see
    ``ImageMetadata.lost_in``.

    Raises:
        UserError: for a format that cannot hold the image, and if the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise UserError(f"{path} ends in {suffix!r}; images are written as one of {', '.join(WRITTEN_SUFFIXES)}")
    channels, dtype = image.shape[-1], image.dtype.name
    if not _can_hold(suffix, channels, dtype):
        others = ", ".join(other for other in WRITTEN_SUFFIXES if _can_hold(other, channels, dtype))
        raise UserError(f"{path} cannot hold {channels} channels of {dtype}; expected one of {others or 'no file'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(_encode(image, suffix, metadata))
    except (OSError, ValueError) as error:  # Pillow raises ValueError for sides too long for the format
        raise UserError(
            f"{path} cannot be written ({error}); expected a writable folder with enough space, and an image "
            f"of a size that the format supports"
        ) from error


def suffix_for(suffix: str, image_type: ImageType) -> str:
    """``suffix`` if such a file can hold images of that type exactly, otherwise ``.png`` if that can, or ``.tif``.

    JPEG, although lossy, is accepted for continuous images, but never for labels.
    """
    for candidate in (suffix, ".png"):
        if _can_hold(candidate.lower(), image_type.channels, image_type.file_dtype) and not (
            image_type.is_labels and candidate.lower() in _LOSSY
        ):
            return candidate
    return ".tif"


def _can_hold(suffix: str, channels: int, dtype: str) -> bool:
    if suffix in _EIGHT_BIT:
        return channels in (1, 3) and dtype == "uint8"
    if suffix == ".png":
        return channels <= 4 and dtype in ("uint8", "uint16")
    return suffix in WRITTEN_SUFFIXES and dtype in ("uint8", "uint16", "float32")


def _encode(image: np.ndarray, suffix: str, metadata: ImageMetadata) -> bytes:
    image = np.ascontiguousarray(image)
    squeezed = image[..., 0] if image.shape[-1] == 1 else image
    if suffix == ".png":
        # Level 1 takes a third of the default level's time for 7 % more bytes.
        return metadata.in_png(bytes(imagecodecs.png_encode(squeezed, level=1)))
    file = io.BytesIO()
    if suffix == ".npy":
        np.save(file, image, allow_pickle=False)
    elif suffix in (".tif", ".tiff"):
        channels = image.shape[-1]
        tifffile.imwrite(
            file,
            squeezed,
            photometric="rgb" if channels in (3, 4) else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            metadata=None,
            **metadata.tiff_arguments(),
        )
    elif suffix in _LOSSY:
        Image.fromarray(squeezed).save(file, "JPEG", quality=95, subsampling=0, **metadata.pillow_arguments())
    elif suffix == ".webp":
        Image.fromarray(squeezed).save(file, "WEBP", lossless=True, **metadata.pillow_arguments())
    else:
        Image.fromarray(squeezed).save(file, "BMP", **metadata.pillow_arguments())
    return file.getvalue()
