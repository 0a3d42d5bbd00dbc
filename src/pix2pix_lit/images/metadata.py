"""Image metadata that also holds for a translation: georeference, resolution, colour profile."""

import math
import os
import re
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tifffile
from PIL import Image

GEO_TAGS = {
    33550: (12, "ModelPixelScale"),
    33922: (12, "ModelTiepoint"),
    34264: (12, "ModelTransformation"),
    34735: (3, "GeoKeyDirectory"),
    34736: (12, "GeoDoubleParams"),
    34737: (2, "GeoAsciiParams"),
    42112: (2, "GDAL_METADATA"),
    42113: (2, "GDAL_NODATA"),
    50844: (12, "RPCCoefficient"),
}
"""Tag -> data type (TIFF 6.0, section 2) and name, after OGC GeoTIFF 1.1 (19-008r4) and GDAL's GeoTIFF driver."""

_METADATA, _NODATA = 42112, 42113
_ORIENTATION = 274  # of TIFF and EXIF
# Bounded repeats: takes time linear in the length of any text.
_OF_ONE_BAND = re.compile(rb'\s{0,9}<Item\b[^<>]{0,200}\bsample="[^<>]{0,200}>[^<]*</Item>')
_SPACES = {b"GRAY": 1, b"RGB ": 3}  # colour space of an ICC profile, at byte 16 of its header (ICC.1:2022) -> channels
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PROFILE_HEADER, _MOST_PROFILE = 128, 1 << 22  # bytes; JPEG has room for 16 MB, large printer profiles take 3
_METRES_PER_INCH = 0.0254


@dataclass(frozen=True)
class ImageMetadata:
    """Metadata copied from an image file to its translation, which has the same size.

    Attributes:
        geo_tags: TIFF tag of ``GEO_TAGS`` -> value.
        resolution: pixels per inch, across and down.
        icc_profile: colour space of the pixel values.
    """

    geo_tags: tuple[tuple[int, Any], ...] = ()
    resolution: tuple[float, float] | None = None
    icc_profile: bytes | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "ImageMetadata":
        """Read the metadata of an image file; empty if the file is damaged or no image.

        EXIF is not copied: its orientation is applied to the pixels when they are read, and the camera settings do not
        describe a translation. An image that is rotated by its orientation loses its ``geo_tags``.
        """
        try:
            with open(path, "rb") as file:
                is_tiff = file.read(4) in _TIFF
            if is_tiff:
                with tifffile.TiffFile(path) as tiff:
                    return _of_tiff(tiff.pages.first)
            with Image.open(path) as image:  # the header alone
                return _of_pillow(image)
        except Exception:  # decoders raise many kinds for broken headers; the pixels may still be readable
            return cls()

    def of_translation(self, half: str | None, is_labels: bool, channels: int, dtype: str) -> "ImageMetadata":
        """The part of the metadata that holds for a translation.

        Args:
            half: which half of the image was translated, if not all of it. The right half loses its ``geo_tags``:
                they give the origin of the left one.
            is_labels: whether input or target are labels, to which no colour profile applies.
            channels: of the translation; a profile for another number of channels is dropped.
            dtype: of the translation, which must be able to represent the "no data" value.
        """
        geo_tags = tuple(tag for tag in self.geo_tags if tag[0] != _NODATA or _holds(dtype, tag[1]))
        fits = self.icc_profile is not None and _SPACES.get(self.icc_profile[16:20]) == channels and not is_labels
        return ImageMetadata(() if half == "right" else geo_tags, self.resolution, self.icc_profile if fits else None)

    def without_profile(self) -> "ImageMetadata":
        """The same without colour profile, for values that are not colours."""
        return replace(self, icc_profile=None)

    def lost_in(self, suffix: str) -> list[str]:
        """What files with this suffix cannot store, in words."""
        lost = {
            "GeoTIFF tags": bool(self.geo_tags) and suffix not in (".tif", ".tiff"),
            "a resolution": self.resolution is not None and suffix in (".webp", ".npy"),
            "a colour profile": self.icc_profile is not None and suffix in (".bmp", ".npy"),
        }
        return [name for name, is_lost in lost.items() if is_lost]

    def pillow_arguments(self) -> dict[str, Any]:
        """Arguments for ``Image.save`` in JPEG, WebP and BMP; each format uses those that it supports."""
        return {
            key: value
            for key, value in (("dpi", self.resolution), ("icc_profile", self.icc_profile))
            if value is not None
        }

    def tiff_arguments(self) -> dict[str, Any]:
        """Arguments for ``tifffile.imwrite``."""
        tags = [(code, GEO_TAGS[code][0], _count(value), value, True) for code, value in self.geo_tags]
        arguments: dict[str, Any] = {"extratags": tags, "iccprofile": self.icc_profile}
        if self.resolution is not None:
            arguments |= {"resolution": self.resolution, "resolutionunit": "inch"}
        return arguments

    def in_png(self, data: bytes) -> bytes:
        """A PNG file with the metadata: chunks after the header (PNG, third edition, 11.3.2.3 and 11.3.4.3)."""
        chunks = b""
        if self.icc_profile is not None:
            chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(self.icc_profile))
        if self.resolution is not None:
            across, down = (round(number / _METRES_PER_INCH) for number in self.resolution)
            chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
        end = 8 + 12 + 13  # of signature and header
        return data[:end] + chunks + data[end:] if chunks else data


NO_METADATA = ImageMetadata()


def _of_tiff(page: Any) -> ImageMetadata:
    tags = page.tags
    orientation = tags.valueof(_ORIENTATION, default=1)
    geo_tags = []
    for code, (dtype, _) in GEO_TAGS.items():
        tag = tags.get(code)
        if tag is None or tag.dtype != dtype or orientation not in (0, 1):
            continue
        value = tag.value
        if dtype == 2:
            value = value if isinstance(value, bytes) else value.encode()
            value = _OF_ONE_BAND.sub(b"", value) if code == _METADATA else value  # statistics of the input's pixels
        elif not isinstance(value, tuple):
            value = (value,)
        if value:
            geo_tags.append((code, value))
    resolution = None
    if 282 in tags and 283 in tags and tags.valueof(296, default=2) in (2, 3):
        resolution = page.get_resolution("inch")
    return ImageMetadata(tuple(geo_tags), _sensible(resolution, orientation), _profile(tags.valueof(34675)))


def _of_pillow(image: Image.Image) -> ImageMetadata:
    resolution = image.info.get("dpi")
    is_even = resolution is None or resolution[0] == resolution[1]
    orientation = 1 if is_even else image.getexif().get(_ORIENTATION, 1)
    return ImageMetadata((), _sensible(resolution, orientation), _profile(image.info.get("icc_profile")))


def _profile(value: Any) -> bytes | None:
    is_one = isinstance(value, bytes) and _PROFILE_HEADER <= len(value) <= _MOST_PROFILE
    return value if is_one else None


def _sensible(resolution: Any, orientation: int) -> tuple[float, float] | None:
    """Pixels per inch of the upright image, if every format can store the values."""
    if resolution is None:
        return None
    across, down = (float(number) for number in resolution)
    if not all(math.isfinite(number) and 0.1 <= number <= 65535 for number in (across, down)):
        return None
    return (down, across) if orientation in (5, 6, 7, 8) else (across, down)


def _holds(dtype: str, value: bytes) -> bool:
    """Whether pixels of ``dtype`` can have the number in ``value``."""
    try:
        number = float(value)
    except ValueError:
        return False
    if np.dtype(dtype).kind == "f":
        return True
    return number.is_integer() and 0 <= number <= np.iinfo(dtype).max


def _count(value: Any) -> int:
    return len(value) + 1 if isinstance(value, bytes) else len(value)  # text ends in NUL


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
