"""Image files: reading, writing, finding them."""

import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""File name endings that count as images, compared without regard to case."""

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
Image.init()  # or Pillow does not know all of these by name yet
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP")  # whatever a file is called, no other decoder runs
_SIXTEEN_BIT_DATA = re.compile(r";16[BLN]")


def read_image(path: str | os.PathLike[str], image_type: ImageType = RGB) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Grayscale and palette images become RGB; an alpha channel is dropped.

    Raises:
        UserError: if the file is missing, not an image, truncated, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            # Pillow quietly halves the bits of 16-bit colour; only how it decodes the file ("RGB;16B") tells.
            is_deep = _SIXTEEN_BIT_DATA.search(str(getattr(image, "tile", "")))
            if image.mode in _EIGHT_BIT_MODES and not is_deep:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
            mode = image.mode
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; expected an image file: check the path") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to be decoded safely ({error}): scale or cut the image first") from error
    except Exception as error:  # Pillow raises many kinds for broken files: SyntaxError, struct.error, ...
        raise UserError(
            f"{path} cannot be read as an image ({type(error).__name__}: {error}); expected an intact "
            f"{', '.join(SUFFIXES)} file: replace or remove it"
        ) from error
    raise UserError(
        f"{path} is an image of mode {mode} with more than 8 bits a channel; expected 8 bits, as "
        f"{', '.join(SUFFIXES)} files usually have: convert the file"
    )


def write_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format of the path's suffix; folders are made as needed.

    The file appears under its name only when whole. JPEG is written at quality 95 without chroma subsampling, so
    that colours stay where the network painted them; WebP without loss.

    Raises:
        UserError: for a suffix that is not among ``SUFFIXES``, and if the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} ends in {suffix!r}; images are written as one of {', '.join(SUFFIXES)}")
    options: dict[str, Any] = {}
    if suffix in (".jpg", ".jpeg"):
        options = {"quality": 95, "subsampling": 0}
    elif suffix == ".webp":
        options = {"lossless": True}
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(temporary, **options)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error}); expected a folder with room that you may write to"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def list_images(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """The image files in ``folder`` by their suffix, sorted by path; hidden files and folders are left out.

    Raises:
        UserError: if the folder is missing, is a file, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {found}; expected a folder of images: check the path")
    paths = sorted(
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not _is_hidden(path.relative_to(folder)) and path.is_file()
    )
    if not paths:
        raise UserError(f"{folder} holds no image; expected files ending in {', '.join(SUFFIXES)}: check the path")
    return paths


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
