"""Find the image files of a folder, and report those that were skipped."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoders import HAS_AVIF, HAS_HEIF, looks_like_image

_HEIF = (".heic", ".heif", ".hif")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k"),
    *((".avif",) if HAS_AVIF else ()),
    *(_HEIF if HAS_HEIF else ()),
)
"""Suffixes of the images that can be read, compared case-insensitively."""

_CAMERA_RAW = frozenset(
    (".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw")
) | {".rw2", ".sr2", ".srf", ".srw", ".x3f"}
UNREAD_SUFFIXES = (
    frozenset((".avif", ".avifs", ".cur", ".dcm", ".dds", ".dib", ".dicom", ".emf", ".eps", ".exr", ".fits", ".hdr"))
    | {".ico", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".jxl", ".jxr", ".nii", ".pam", ".pcx", ".pfm", ".psb", ".psd"}
    | {".ras", ".sgi", ".svg", ".svgz", ".wdp", ".wmf", ".xbm", ".xcf", ".xpm", *_HEIF, *_CAMERA_RAW}
) - {*SUFFIXES}
"""Suffixes of image formats that cannot be read: such files are skipped and reported. Other suffixes are no images."""


class FoundImages(NamedTuple):
    """What ``find_images`` finds.

    Attributes:
        paths: the images, sorted by path.
        left_out: skipped files that look like images, and skipped folders -> the reason in a few words; sorted too.
    """

    paths: list[Path]
    left_out: dict[Path, str]


def find_images(
    folder: str | os.PathLike[str], *, recursive: bool = False, suffixes: tuple[str, ...] = SUFFIXES
) -> FoundImages:
    """The image files in ``folder`` by their suffix; hidden files and folders are ignored.

    Skipped and reported are images of unsupported formats, broken links, unreadable folders, devices and pipes, and,
    unless ``recursive``, images in sub-folders.

    Args:
        folder: where to look.
        recursive: whether to include all sub-folders, linked ones too (except links to a folder that contains them).
        suffixes: those of an image.

    Raises:
        UserError: if the folder is missing, is a file, cannot be read, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {found}; expected a folder of images: check the path")
    paths: list[Path] = []
    left_out: dict[Path, str] = {}

    def refused(error: OSError) -> None:
        path = Path(error.filename)
        if path == folder:
            raise UserError(
                f"{folder} cannot be read ({error.strerror}); expected a readable folder of images: change its "
                f"permissions"
            ) from error
        left_out[path] = f"a folder that cannot be read ({error.strerror})"

    for parent, folders, names in os.walk(folder, onerror=refused, followlinks=True):
        place = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(place / name, folder)]
        for name in names:
            path = place / name
            if name.startswith("."):
                continue
            reason = reason_to_leave_out(path, suffixes)
            if reason is None and path.suffix.lower() not in suffixes:
                continue
            if reason is None and not recursive and place != folder:
                reason = "in a sub-folder, which this layout does not read"
            if reason is None:
                paths.append(path)
            else:
                left_out[path] = reason
    left_out = dict(sorted(left_out.items()))
    if not paths:
        others = f" that can be read, but {summary(left_out)}" if left_out else ""
        raise UserError(
            f"{folder} holds no image{others}; expected files ending in {', '.join(suffixes)}: check the path"
        )
    return FoundImages(sorted(paths), left_out)


def reason_to_leave_out(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> str | None:
    """Why a file with the name of an image cannot be used; None if it can, or if it is no image."""
    suffix = path.suffix.lower()
    if suffix in UNREAD_SUFFIXES:
        kind = "a camera's raw image" if suffix in _CAMERA_RAW else suffix.removeprefix(".").upper()
        remedy = ", or pip install pillow-heif" if suffix in _HEIF else ""
        return f"{kind}, which is not supported: convert it to JPEG, PNG or TIFF{remedy}"
    if suffix and suffix not in suffixes:
        return None
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if path.is_symlink():
            return f"a link to {os.readlink(path)}, which does not exist"
        return f"a file that cannot be accessed ({error.strerror})"
    if not stat.S_ISREG(mode):
        return "not a regular file" if suffix else None
    if not suffix and _starts_as_image(path):
        return "an image whose name has no suffix: add one, such as .jpg"
    return None


def _starts_as_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return looks_like_image(file.read(16))
    except OSError:
        return False


def summary(left_out: Mapping[Path, str], most: int = 3) -> str:
    """The skipped files for a message: how many, the first ones, and why."""
    shown = "; ".join(f"{path} ({reason})" for path, reason in list(left_out.items())[:most])
    more = f"; and {len(left_out) - most} more" if len(left_out) > most else ""
    return f"{len(left_out)} left out: {shown}{more}"


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to one of its own parents, on the way from ``top``."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any((top / parent).resolve().is_relative_to(target) for parent in path.relative_to(top).parents)
