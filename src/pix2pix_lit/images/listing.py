"""Finding image files, and naming those that are passed over."""

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
"""File name endings of the images that are read, compared without regard to case."""

_CAMERA_RAW = frozenset(
    (".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw")
) | {".rw2", ".sr2", ".srf", ".srw", ".x3f"}
UNREAD_SUFFIXES = (
    frozenset((".avif", ".avifs", ".cur", ".dcm", ".dds", ".dib", ".dicom", ".emf", ".eps", ".exr", ".fits", ".hdr"))
    | {".ico", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".jxl", ".jxr", ".nii", ".pam", ".pcx", ".pfm", ".psb", ".psd"}
    | {".ras", ".sgi", ".svg", ".svgz", ".wdp", ".wmf", ".xbm", ".xcf", ".xpm", *_HEIF, *_CAMERA_RAW}
) - {*SUFFIXES}
"""Endings of images that are not read. Files of these are passed over, and said to be; others are no images."""


class FoundImages(NamedTuple):
    """What ``find_images`` finds.

    Attributes:
        paths: the images, sorted by path.
        left_out: what looks like an image, or may hold some, and is passed over -> why, in a few words; sorted too.
    """

    paths: list[Path]
    left_out: dict[Path, str]


def find_images(
    folder: str | os.PathLike[str], *, recursive: bool = False, suffixes: tuple[str, ...] = SUFFIXES
) -> FoundImages:
    """The image files in ``folder`` by their suffix; hidden files and folders count for nothing.

    Left out, and said to be, are images of formats that are not read, links to nothing, folders that may not be looked
    into, what is no file, and, unless ``recursive``, images in sub-folders.

    Args:
        folder: where to look.
        recursive: whether to take those of all sub-folders too, also of linked ones, but of a link that leads back to a
            folder it is in.
        suffixes: what counts as an image.

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
                f"{folder} cannot be read ({error.strerror}); expected a folder of images: allow yourself to read it"
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
                reason = "in a sub-folder, where this layout does not look"
            if reason is None:
                paths.append(path)
            else:
                left_out[path] = reason
    left_out = dict(sorted(left_out.items()))
    if not paths:
        others = f" that can be read, but {told(left_out)}" if left_out else ""
        raise UserError(
            f"{folder} holds no image{others}; expected files ending in {', '.join(suffixes)}: check the path"
        )
    return FoundImages(sorted(paths), left_out)


def reason_to_leave_out(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> str | None:
    """Why a file that is called like an image cannot be taken; None if it can, or is something else."""
    suffix = path.suffix.lower()
    if suffix in UNREAD_SUFFIXES:
        kind = "a camera's raw image" if suffix in _CAMERA_RAW else suffix.removeprefix(".").upper()
        remedy = ", or pip install pillow-heif" if suffix in _HEIF else ""
        return f"{kind}, which is not read: convert it to JPEG, PNG or TIFF{remedy}"
    if suffix and suffix not in suffixes:
        return None
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if path.is_symlink():
            return f"a link to {os.readlink(path)}, which is not there"
        return f"a file that cannot be reached ({error.strerror})"
    if not stat.S_ISREG(mode):
        return "no file" if suffix else None
    if not suffix and _starts_as_image(path):
        return "an image whose name has no ending: give it one, such as .jpg"
    return None


def _starts_as_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return looks_like_image(file.read(16))
    except OSError:
        return False


def told(left_out: Mapping[Path, str], most: int = 3) -> str:
    """What was left out, for a message: how many files, the first of them, and why."""
    shown = "; ".join(f"{path} ({reason})" for path, reason in list(left_out.items())[:most])
    more = f"; and {len(left_out) - most} more" if len(left_out) > most else ""
    return f"{len(left_out)} left out: {shown}{more}"


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to what holds one of the folders on the way to it from ``top``."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any((top / parent).resolve().is_relative_to(target) for parent in path.relative_to(top).parents)
