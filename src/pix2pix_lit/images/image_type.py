"""``ImageType``: what the pixels of an image mean, and their conversion for networks, files and display."""

import colorsys
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.checks import Word, check_choice, check_integer
from pix2pix_lit.errors import NotFiniteError, UserError
from pix2pix_lit.images.palettes import COLOR_VALUES, ID_VALUES, PALETTES

Kind = Literal["continuous", "colors", "ids"]


@dataclass(frozen=True)
class ImageType:
    """Type of one of the two images of every pair: what its files hold and what the values mean.

    An image is an array (H, W, ``planes``): of ``stored_dtype`` in a ``Pair``, of ``dtype`` once finished and, as
    (N, ``planes``, H, W), in a batch.
    Networks see (N, ``network_channels``, H, W) floats in [-1, 1].

    Args:
        kind: ``continuous`` for photographs, heights and other values that may be interpolated; ``colors`` for labels
            as RGB colours; ``ids`` for labels as class numbers. Labels are never interpolated, and class numbers are
            one-hot in networks: 1 for the pixel's class, -1 for all others.
        channels: of a file; 3 for ``colors``, 1 for ``ids``.
        dtype: ``uint8``, ``uint16`` or ``float32``: the bit depth, preserved from file to network.
        range: the values that map to -1 and 1 in networks, values outside are clipped; None for the full range of an
            integer ``dtype``.
        palette: colours of the classes, a name in ``palettes.PALETTES`` or a list of [r, g, b]: the expected colours
            of ``colors``, the display colours of ``ids``.
        classes: number of classes of ``ids``.
        values: what ``ids`` files hold: a list with the value of each class, a name in ``palettes.ID_VALUES``, a name
            in ``palettes.COLOR_VALUES`` for classes shown as colours, or None for the class numbers themselves.
        void: the class of ``ids`` for pixels that are neither learnt nor scored, if there is one.
        instance_edges: for ``colors`` and ``ids``: an additional network channel is 1 where two instances meet, else
            -1. The last plane holds instance numbers until ``finish`` turns them into edges.
        background: the colour behind transparent pixels, one value a channel; None refuses transparent files.

    Raises:
        UserError: for inconsistent values.
    """

    kind: Kind = "continuous"
    channels: int = 3
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    range: tuple[float, float] | None = None
    palette: Word | tuple[tuple[int, int, int], ...] | None = None
    classes: int | None = None
    values: Word | tuple[int, ...] | None = None
    void: int | None = None
    instance_edges: bool = False
    background: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("range", "palette", "values", "background"):  # lists, as configs have them
            value = getattr(self, name)
            if isinstance(value, list):
                value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
                object.__setattr__(self, name, value)
        _check(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which ``ImageType(**values)`` builds an equal one; part of a checkpoint."""
        return asdict(self)

    def describe(self) -> str:
        """What files of this type hold, in a few words for messages."""
        if self.kind == "ids":
            return f"numbers of {self.classes} classes as {self.dtype}"
        return f"{'colours of classes' if self.is_labels else 'images'} of {self.channels} channels of {self.dtype}"

    @property
    def is_labels(self) -> bool:
        """Whether pixels name classes: values between two classes have no meaning."""
        return self.kind != "continuous"

    @property
    def planes(self) -> int:
        """Planes of an array: the channels, plus one for instances with ``instance_edges``."""
        return self.channels + self.instance_edges

    @property
    def stored_dtype(self) -> str:
        """``dtype`` of an array before ``finish``: instance numbers need 16 bits."""
        return "uint16" if self.instance_edges else self.dtype

    @property
    def file_dtype(self) -> str:
        """``dtype`` of an array from ``as_in_files``."""
        return "uint16" if isinstance(self.values, tuple) and max(self.values) > 255 else self.dtype

    @property
    def network_channels(self) -> int:
        """Channels of a network's tensor."""
        return (self.classes or self.channels) + self.instance_edges

    @property
    def limits(self) -> tuple[float, float]:
        """The values that map to -1 and 1 in networks."""
        if self.range is not None:
            return self.range
        return 0.0, 65535.0 if self.dtype == "uint16" else 255.0

    @property
    def palette_colors(self) -> np.ndarray | None:
        """(number of colours, 3) uint8 RGB, or None if no palette is given."""
        if self.palette is None:
            return None
        return PALETTES[self.palette] if isinstance(self.palette, str) else np.array(self.palette, np.uint8)

    def finish(self, image: np.ndarray) -> np.ndarray:
        """(H, W, planes) from a source, after resizing and augmentation -> the image for a batch, of ``dtype``.

        Only an image with ``instance_edges`` changes: its last plane, instance numbers, becomes 255 where the pixel to
        the left, right, above or below belongs to another instance, else 0 (as in pix2pixHD, Wang et al. 2018, section
        3.3).
        """
        if not self.instance_edges:
            return image
        instances = image[..., -1]
        edges = np.zeros(instances.shape, bool)
        across, down = instances[:, 1:] != instances[:, :-1], instances[1:] != instances[:-1]
        edges[:, 1:] |= across
        edges[:, :-1] |= across
        edges[1:] |= down
        edges[:-1] |= down
        return np.concatenate([image[..., :-1].astype(self.dtype), np.uint8(255) * edges[..., None]], -1)

    def to_network(self, images: Tensor) -> Tensor:
        """(N, planes, H, W) of ``dtype`` from a batch -> (N, network_channels, H, W) floats in [-1, 1].

        The result is of torch's default dtype, with channels last in memory, on the device of ``images``.

        Raises:
            ValueError: for a wrong number of planes.
        """
        if images.shape[1] != self.planes:
            raise ValueError(f"images have {images.shape[1]} planes; expected {self.planes}: {self.describe()}")
        dtype = torch.get_default_dtype()
        if self.classes is not None:
            numbers = torch.arange(self.classes, device=images.device).view(-1, 1, 1)
            floats = (images[:, :1].to(torch.int32) == numbers).to(dtype).mul_(2.0).sub_(1.0)
        else:
            low, high = self.limits
            floats = images[:, : self.channels].to(dtype, memory_format=torch.channels_last)
            if images.dtype == dtype:
                floats = floats.clone(memory_format=torch.channels_last)  # .to made no copy
            if low:
                floats.sub_(low)
            floats.div_((high - low) / 2).sub_(1.0)
            if self.range is not None:
                floats.clamp_(-1.0, 1.0)
        if self.instance_edges:
            floats = torch.cat([floats, images[:, -1:].to(dtype).div_(127.5).sub_(1.0)], 1)
        return floats.contiguous(memory_format=torch.channels_last)

    def from_network(self, floats: Tensor) -> Tensor:
        """(N, network_channels, H, W) floats of any dtype -> (N, channels, H, W) of ``dtype``: what a file holds.

        Integers are rounded and values outside [-1, 1] are clipped; classes are decided by argmax; the channel of
        instance edges is dropped.

        Raises:
            NotFiniteError: for a NaN or an infinity, which would be invisible in a rounded pixel. A traced graph
                cannot raise: it outputs an arbitrary pixel instead.
        """
        is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if not is_traced and not floats.isfinite().all():
            raise NotFiniteError(
                f"the network's output has NaN or infinity in {int((~floats.isfinite()).sum())} of {floats.numel()} "
                f"values; expected finite numbers: look at its weights and at the image, or set precision=fp32"
            )
        dtype = getattr(torch, self.dtype)
        if self.classes is not None:
            return floats[:, : self.classes].argmax(1, keepdim=True).to(dtype)
        low, high = self.limits
        pixels = floats[:, : self.channels].float().add(1.0).mul_((high - low) / 2).add_(low)
        if dtype.is_floating_point:
            return pixels.clamp_(low, high)
        return pixels.round_().clamp_(low, high).to(dtype)

    def with_depth(self, bits: int) -> "ImageType":
        """The same images at another bit depth: 8 and 16 bits as unsigned integers, 32 as floats of the same values.

        Between 8 and 16 bits the full range maps to the full range (255 becomes 65535). Floats become integers with
        ``range`` stretched over the integer type.

        Raises:
            UserError: for labels, which have no values between classes, and for other ``bits``.
        """
        if self.is_labels or bits not in (8, 16, 32):
            raise UserError(
                f"bit_depth is {bits} for {self.describe()}; expected 8, 16 or 32, and null for labels, which have no "
                f"values between classes"
            )
        dtype: Literal["uint8", "uint16", "float32"] = {8: "uint8", 16: "uint16", 32: "float32"}[bits]  # type: ignore[assignment]
        if dtype == self.dtype:
            return self
        range, factor = self.range, {8: 1 / 257, 16: 257.0}.get(bits, 1.0)
        if dtype == "float32":
            range = self.limits
        elif self.dtype == "float32":
            range = None
        elif range is not None:
            range = range[0] * factor, range[1] * factor
        return replace(self, dtype=dtype, range=range, background=None)

    def as_in_files(self, image: np.ndarray) -> np.ndarray:
        """(H, W, channels) -> the contents of a file of this type, of ``file_dtype``.

        Class numbers become the listed ``values``. Named tables of ``values`` map several values to one class and have
        no inverse: with them, files hold the class numbers themselves.
        """
        return np.array(self.values, self.file_dtype).take(image) if isinstance(self.values, tuple) else image

    def picture(self, image: np.ndarray) -> np.ndarray:
        """(H, W, channels or planes) of ``dtype`` -> (H, W, 3) uint8 RGB for display.

        Of more than three channels the first three are shown, of two the first; instance edges are white.
        """
        if self.classes is not None:
            picture = self._shown_colors().take(image[..., 0], axis=0)
        else:
            pixels = image[..., : self.channels]
            pixels = pixels[..., :3] if self.channels >= 3 else pixels[..., :1].repeat(3, -1)
            low, high = self.limits
            if self.dtype != "uint8" or self.range is not None:
                shades = (np.clip(pixels.astype(np.float64), low, high) - low) * (255 / (high - low))
                pixels = shades.round().astype(np.uint8)
            picture = np.ascontiguousarray(pixels)
        if image.shape[-1] > self.channels:
            picture = np.where(image[..., -1:] == 255, np.uint8(255), picture)
        return picture

    def _shown_colors(self) -> np.ndarray:
        """(classes, 3) uint8: the palette, extended by hues that are easy to tell apart."""
        assert self.classes is not None
        given = self.palette_colors if self.palette is not None else None
        colors = list(given[: self.classes]) if given is not None else []
        for number in range(len(colors), self.classes):  # steps of the golden angle never repeat a hue
            hue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.5 + 0.5 * (number % 2), 1 - 0.4 * (number // 2 % 2))
            colors.append(np.array([round(255 * part) for part in hue]))
        return np.array(colors, np.uint8)


def _check(image_type: ImageType) -> None:
    """Refuse inconsistent values, naming the key."""
    kind, channels, dtype = image_type.kind, image_type.channels, image_type.dtype
    check_choice("kind of an image", kind, ("continuous", "colors", "ids"))
    check_choice("dtype of an image", dtype, ("uint8", "uint16", "float32"))
    check_integer("channels of an image", channels, 1)
    if kind == "colors" and (channels, dtype) != (3, "uint8"):
        raise UserError(f"an image of kind colors has channels={channels} dtype={dtype}; expected 3 and uint8")
    if kind == "ids":
        most = 256 if dtype == "uint8" else 65536
        if channels != 1 or dtype == "float32":
            raise UserError(
                f"an image of kind ids has channels={channels} dtype={dtype}; expected 1 and uint8 or uint16"
            )
        check_integer(f"classes of an image of kind ids, dtype {dtype},", image_type.classes, 2, most)
        if image_type.void is not None:
            check_integer("void of an image of kind ids", image_type.void, 0, (image_type.classes or 0) - 1)
    elif (image_type.classes, image_type.values, image_type.void) != (None, None, None):
        raise UserError(f"an image of kind {kind} has classes, values or void; expected null for them, or kind=ids")
    if kind == "continuous" and image_type.palette is not None:
        raise UserError("an image of kind continuous has a palette; expected null, or kind=colors or ids for labels")
    if image_type.instance_edges and kind == "continuous":
        raise UserError(
            "an image of kind continuous has instance_edges=true; expected colors or ids, which have instances"
        )
    if image_type.instance_edges and dtype != "uint8":
        raise UserError(f"an image with instance_edges has dtype={dtype}; expected uint8")
    bounds = image_type.range
    if bounds is None:
        if dtype == "float32":
            raise UserError(
                "an image of dtype=float32 has range=null; expected the values that map to -1 and 1 in the network, "
                "such as range=[0,1]"
            )
    elif kind != "continuous":
        raise UserError(f"an image of kind {kind} has range={list(bounds)}; expected null, since labels have no range")
    elif (
        len(bounds) != 2
        or not all(isinstance(bound, int | float) and math.isfinite(bound) for bound in bounds)
        or not bounds[0] < bounds[1]
        or (dtype != "float32" and not 0 <= bounds[0] < bounds[1] <= np.iinfo(dtype).max)
    ):
        raise UserError(
            f"range of an image is {list(bounds)}; expected [low, high] with low below high, both finite and of "
            f"dtype={dtype}"
        )
    for key, names, other in (
        ("palette", PALETTES, "a list of colours [[r,g,b],...]"),
        ("values", [*ID_VALUES, *COLOR_VALUES], "a list with the value of each class"),
    ):
        name = getattr(image_type, key)
        if isinstance(name, str) and name not in names:
            raise UserError(f"{key} of an image is {name!r}; expected one of {', '.join(names)}, or {other}")
    if isinstance(image_type.palette, tuple):
        colors = image_type.palette
        if not colors or not all(
            isinstance(color, tuple) and len(color) == 3 and all(_is_whole(part, 255) for part in color)
            for color in colors
        ):
            raise UserError(
                f"palette of an image is {[*colors]}; expected colours [[r,g,b],...] of whole numbers from 0 to 255"
            )
    if isinstance(image_type.values, tuple) and (
        not all(_is_whole(value, 65535) for value in image_type.values)
        or len(set(image_type.values)) < len(image_type.values)
    ):
        raise UserError(
            f"values of an image is {list(image_type.values)}; expected a different whole number from 0 to 65535 for "
            f"each class"
        )
    if isinstance(image_type.values, str):
        if image_type.values in COLOR_VALUES:
            classes = max(COLOR_VALUES[image_type.values][1]) + 1
            if image_type.instance_edges:
                raise UserError(
                    f"an image with values={image_type.values} has instance_edges=true; expected false, since colours "
                    f"do not tell instances apart"
                )
        else:
            classes = max(ID_VALUES[image_type.values].values()) + 1
        if image_type.classes != classes:
            raise UserError(
                f"classes of an image with values={image_type.values} is {image_type.classes}; expected {classes}"
            )
    background, top = image_type.background, {"uint8": 255, "uint16": 65535}.get(dtype)
    if background is not None and (
        len(background) != channels or (top is not None and not all(0 <= part <= top for part in background))
    ):
        raise UserError(
            f"background of an image is {list(background)}; expected a value for each of its {channels} channels, such "
            f"as {[255] * channels}"
        )
    if isinstance(image_type.values, tuple) and len(image_type.values) != image_type.classes:
        raise UserError(
            f"values of an image lists {len(image_type.values)} values for classes={image_type.classes}; expected one "
            f"for each class"
        )


def _is_whole(value: object, highest: int) -> bool:
    return type(value) is int and 0 <= value <= highest


RGB = ImageType()
"""Plain pictures: three channels of 8 bits."""
