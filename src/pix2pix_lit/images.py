"""Image files: reading, writing, finding them."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from pix2pix_lit.errors import UserError
from pix2pix_lit.image_decoders import Decoded, decode
from pix2pix_lit.image_fit import fit
from pix2pix_lit.image_metadata import NO_METADATA, ImageMetadata
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.replacement import replacement_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".npy")
"""File name endings that count as images, compared without regard to case."""

_LOSSY = (".jpg", ".jpeg")
_EIGHT_BIT = (".jpg", ".jpeg", ".bmp", ".webp")


def read_image(path: str | os.PathLike[str], image_type: ImageType = RGB) -> np.ndarray:
    """Read an image file as (H, W, planes) of ``image_type.stored_dtype``, turned upright by its EXIF orientation.

    Contents tell the format, whatever the file is called. See ``image_fit.fit`` for what becomes of palettes, alpha
    and class numbers.

    Raises:
        UserError: if the file is missing, damaged or no image, would need too much memory, or is not of the type.
    """
    return fit(decode_file(path), image_type, str(path))


def decode_file(path: str | os.PathLike[str]) -> Decoded:
    """What an image file holds, upright, in its own depth.

    Raises:
        UserError: if the file is missing, damaged or no image, or would need too much memory.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; expected an image file: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read as an image ({error}); expected a file: check the path") from error
    return _decode(data, str(path))


def decode_image(data: bytes, path: str, image_type: ImageType = RGB) -> np.ndarray:
    """What ``read_image`` gives for a file with this content; ``path`` is what messages call it."""
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
            f"{', '.join(SUFFIXES)} file: it is damaged or no image; if a viewer still shows it, open and save it "
            f"again there, else replace or remove it"
        ) from error


def write_image(path: str | os.PathLike[str], image: np.ndarray, metadata: ImageMetadata = NO_METADATA) -> None:
    """Write (H, W, C) in the format of the path's suffix, to be read back equal; folders are made as needed.

    PNG holds 1 to 4 channels of uint8 or uint16 (2 and 4 with alpha), TIFF and .npy any number of uint8, uint16 or
    float32, the others 1 or 3 channels of uint8. JPEG alone loses something: it is written at quality 95 without
    chroma subsampling, so that colours stay where the network painted them. The file appears under its name only
    when whole. Of ``metadata`` it has what its format can hold; see ``ImageMetadata.lost_in``.

    Raises:
        UserError: for a suffix that cannot hold the image, and if the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} ends in {suffix!r}; images are written as one of {', '.join(SUFFIXES)}")
    channels, dtype = image.shape[-1], image.dtype.name
    if not _can_hold(suffix, channels, dtype):
        others = ", ".join(other for other in SUFFIXES if _can_hold(other, channels, dtype))
        raise UserError(f"{path} cannot hold {channels} channels of {dtype}; expected one of {others or 'no file'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement_of(path) as temporary:
            temporary.write_bytes(_encode(image, suffix, metadata))
    except (OSError, ValueError) as error:  # Pillow has ValueError for sides that a format has no numbers for
        raise UserError(
            f"{path} cannot be written ({error}); expected a folder with room that you may write to, and sides that "
            f"the format allows"
        ) from error


def suffix_for(suffix: str, image_type: ImageType) -> str:
    """``suffix`` if such a file can hold images of that type exactly, else ``.png`` if that can, else ``.tif``.

    JPEG passes for continuous images, since who asks for it knows that it loses something; it never does for labels.
    """
    for candidate in (suffix, ".png"):
        if _can_hold(candidate.lower(), image_type.channels, image_type.file_dtype) and not (
            image_type.is_labels and candidate.lower() in _LOSSY
        ):
            return candidate
    return ".tif"


def list_images(
    folder: str | os.PathLike[str], *, recursive: bool = False, suffixes: tuple[str, ...] = SUFFIXES
) -> list[Path]:
    """The image files in ``folder`` by their suffix, sorted by path; hidden files and folders are left out.

    Args:
        folder: where to look.
        recursive: whether to take those of all sub-folders too, also of linked ones, but of a link that leads back to a
            folder it is in.
        suffixes: what counts as an image.

    Raises:
        UserError: if the folder is missing, is a file, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {found}; expected a folder of images: check the path")
    paths = sorted(
        path
        for path in (_files_below(folder) if recursive else folder.iterdir())
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise UserError(f"{folder} holds no image; expected files ending in {', '.join(suffixes)}: check the path")
    return paths


def _files_below(top: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(top, followlinks=True):  # rglob follows links or not by Python's version
        folder = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(folder / name, top)]
        yield from (folder / name for name in files)


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to what holds one of the folders on the way to it from ``top``."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any((top / parent).resolve().is_relative_to(target) for parent in path.relative_to(top).parents)


def _can_hold(suffix: str, channels: int, dtype: str) -> bool:
    if suffix in _EIGHT_BIT:
        return channels in (1, 3) and dtype == "uint8"
    if suffix == ".png":
        return channels <= 4 and dtype in ("uint8", "uint16")
    return suffix in SUFFIXES and dtype in ("uint8", "uint16", "float32")


def _encode(image: np.ndarray, suffix: str, metadata: ImageMetadata) -> bytes:
    image = np.ascontiguousarray(image)
    squeezed = image[..., 0] if image.shape[-1] == 1 else image
    if suffix == ".png":
        # A third of the default level's time for 7 % more bytes.
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
