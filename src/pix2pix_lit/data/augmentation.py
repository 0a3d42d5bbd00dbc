"""Paired augmentation: the same geometry for input and target, photometric changes for photographs only."""

from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np

from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.data.transforms import NamedTransforms, Transform
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType

PhotometricOn = Literal["auto", "input", "target"]
_KEYS = ("input", "target")


class Augmentation:
    """Random crop, flip and albumentations transforms of a pair: a pure function of the pair and a seed.

    Args:
        input_type: image type of the inputs.
        target_type: image type of the targets. Labels are warped by nearest neighbour.
        crop_size: size of the random crop (Isola et al. 2017, section 6.2).
        flip: mirror half of the pairs left to right.
        geometry: named albumentations transforms of both images, in this order, before the crop.
        photometric: named albumentations transforms of a continuous image, after the flip. They get uint8 images
            unchanged and all others as float32 in [0, 1].
        photometric_on: ``auto`` is the continuous image of the pair, the input if both are; ``input``; ``target``.
        blend_labels: interpolate colour-coded labels like continuous images.
        load_size: size of the pairs, at which all transforms are tried once at construction; None for ``crop_size``.

    Raises:
        UserError: for a malformed size, photometric transforms without a continuous image, and transforms that fail or
            return unsuitable images.
    """

    def __init__(
        self,
        input_type: ImageType,
        target_type: ImageType,
        crop_size: Size,
        flip: bool = False,
        geometry: Mapping[str, Transform] | None = None,
        photometric: Mapping[str, Transform] | None = None,
        photometric_on: PhotometricOn = "auto",
        blend_labels: bool = False,
        load_size: Size | None = None,
    ) -> None:
        self._types = (input_type, target_type)
        self.height, self.width = height_and_width(crop_size, "data.crop_size")
        self.flip = flip
        self._geometry: NamedTransforms | None = None
        self._photometric: NamedTransforms | None = None
        self._photo_type, self._photo_place = input_type, 0
        trial_size = height_and_width(load_size or crop_size, "data.load_size")
        if geometry:
            is_mask = [image_type.is_labels and not blend_labels for image_type in self._types]
            self._geometry = NamedTransforms(
                "geometry",
                geometry,
                kinds={key: "mask" if mask else "image" for key, mask in zip(_KEYS, is_mask, strict=True)},
                moved_only=[
                    key
                    for key, mask, image_type in zip(_KEYS, is_mask, self._types, strict=True)
                    if not mask and (image_type.is_labels or image_type.dtype != "uint8")
                ],
            )
            trial = [_trial_image(image_type, *trial_size) for image_type in self._types]
            self._geometry.try_each(dict(zip(_KEYS, trial, strict=True)))
        if photometric_on not in ("auto", "input", "target"):
            raise UserError(f"data.augmentation.photometric_on is {photometric_on!r}; expected auto, input or target")
        if photometric:
            types = (input_type, target_type)
            wanted = {"auto": (0, 1), "input": (0,), "target": (1,)}[photometric_on]
            places = [place for place in wanted if not types[place].is_labels]
            if not places:
                raise UserError(
                    f"data.augmentation.photometric has {', '.join(photometric)} for photometric_on={photometric_on}, "
                    f"which selects labels; expected a continuous image: set data/augmentation=none, or another "
                    f"photometric_on"
                )
            self._photo_place = places[0]
            self._photo_type = types[places[0]]
            self._photometric = NamedTransforms("photometric", photometric, kinds={"image": "image"})
            self._photometric.try_each({"image": self._shades(_trial_image(self._photo_type, *trial_size))})

    def __call__(self, input: np.ndarray, target: np.ndarray, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Augment a pair.

        Args:
            input: (H, W, planes), at least as large as the crop.
            target: the same, of equal size.
            seed: integers that determine all random numbers.

        Returns:
            Both as (crop height, crop width, planes) of their own dtype; possibly views of the arguments.
        """
        top, left, mirror, geometry_seed, photometric_seed = np.random.SeedSequence(seed).generate_state(5).tolist()
        if self._geometry is not None:
            input, target = self._warped(input, target, geometry_seed)
        height, width = input.shape[:2]
        if height < self.height or width < self.width:
            raise UserError(
                f"data.augmentation.geometry made a pair {width}x{height} pixels (width x height), smaller than the "
                f"crop of {self.width}x{self.height}; expected at least the size of the crop: raise data.load_size, "
                f"or use transforms that only enlarge"
            )
        top, left = _below(height - self.height + 1, top), _below(width - self.width + 1, left)
        pair = [image[top : top + self.height, left : left + self.width] for image in (input, target)]
        if self.flip and _below(2, mirror):
            pair = [cv2.flip(image, 1).reshape(image.shape) for image in pair]
        if self._photometric is not None:
            pair[self._photo_place] = self._relit(pair[self._photo_place], photometric_seed)
        return pair[0], pair[1]

    def _warped(self, input: np.ndarray, target: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        assert self._geometry is not None
        result = self._geometry(seed, {"input": input, "target": target})
        input, target = result["input"], result["target"]
        for image, image_type in zip((input, target), self._types, strict=True):
            if image_type.classes is not None and image[..., 0].max() >= image_type.classes:
                raise UserError(
                    f"data.augmentation.geometry made the class number {image[..., 0].max()}; expected 0 to "
                    f"{image_type.classes - 1}: set fill_mask of its transforms to one of these"
                )
        return input, target

    def _relit(self, image: np.ndarray, seed: int) -> np.ndarray:
        assert self._photometric is not None
        low, high = self._photo_type.limits
        relit = self._photometric(seed, {"image": self._shades(image)})["image"]
        if image.dtype == np.uint8:
            return relit
        values = relit.clip(0, 1) * (high - low) + low
        return values.round().astype(np.uint16) if image.dtype == np.uint16 else values.astype(np.float32)

    def _shades(self, image: np.ndarray) -> np.ndarray:
        """The photograph for photometric transforms: uint8 unchanged, other dtypes as float32 in [0, 1]."""
        low, high = self._photo_type.limits
        shades = image if image.dtype == np.uint8 else ((image.astype(np.float32) - low) / (high - low)).clip(0, 1)
        return np.ascontiguousarray(shades)


def _trial_image(image_type: ImageType, height: int, width: int) -> np.ndarray:
    """A (height, width, planes) test image of this type: a gradient over all its values, from top to bottom."""
    low, high = (0, image_type.classes - 1) if image_type.classes is not None else image_type.limits
    slope = np.linspace(low, high, height * width, dtype=np.float32).reshape(height, width, 1)
    return slope.repeat(image_type.planes, -1).astype(image_type.stored_dtype)


def _below(count: int, draw: int) -> int:
    """A number in [0, count) from 32 random bits."""
    return draw * count >> 32
