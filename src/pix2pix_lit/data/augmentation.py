"""Paired augmentation: the same geometry for input and target, other light for photographs alone."""

import copy
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np

from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import ImageType

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or every process looks for a newer release on import
import albumentations as A

# A misspelt argument is no more than this to albumentations; transforms would be others than were asked for.
warnings.filterwarnings("error", message=".*not valid for transform", category=UserWarning)

PhotometricOn = Literal["auto", "input", "target"]


class Augmentation:
    """Crop, mirror, and whatever albumentations offers, of a pair: a function of the pair and a seed alone.

    Args:
        input_type: what inputs are.
        target_type: what targets are. Class colours and numbers are warped by nearest neighbour.
        crop_size: the part that is kept, at a random place (Isola et al. 2017, section 6.2).
        flip: mirror half of the pairs left to right.
        geometry: named albumentations transforms of both images, in this order, before the crop.
        photometric: named albumentations transforms of continuous images alone, after the flip. They get uint8
            images as they are and all others as float32 in [0, 1].
        photometric_on: ``auto`` is the continuous image of the pair, the input if both are; ``input``; ``target``.
        blend_labels: warp colour-coded labels like continuous images.

    Raises:
        UserError: for a malformed size, or photometric transforms without a continuous image to change.
    """

    def __init__(
        self,
        input_type: ImageType,
        target_type: ImageType,
        crop_size: Size,
        flip: bool = False,
        geometry: Mapping[str, A.BasicTransform] | None = None,
        photometric: Mapping[str, A.BasicTransform] | None = None,
        photometric_on: PhotometricOn = "auto",
        blend_labels: bool = False,
    ) -> None:
        self._types = (input_type, target_type)
        self.height, self.width = height_and_width(crop_size, "data.crop_size")
        self.flip = flip
        self._geometry: A.Compose | None = None
        self._photometric: A.Compose | None = None
        self._photo_type, self._photo_place = input_type, 0
        if geometry:
            kinds = ["mask" if t.is_labels and not blend_labels else "image" for t in (input_type, target_type)]
            transforms = copy.deepcopy(list(geometry.values()))  # Compose writes to them
            _keep_labels_in_place(transforms)
            self._geometry = A.Compose(
                transforms,
                additional_targets=dict(zip(("input", "target"), kinds, strict=True)),
            )
        if photometric_on not in ("auto", "input", "target"):
            raise UserError(f"data.augmentation.photometric_on is {photometric_on!r}; expected auto, input or target")
        if photometric:
            types = (input_type, target_type)
            wanted = {"auto": (0, 1), "input": (0,), "target": (1,)}[photometric_on]
            places = [place for place in wanted if not types[place].is_labels]
            if not places:
                raise UserError(
                    f"data.augmentation.photometric has {', '.join(photometric)} for photometric_on={photometric_on}, "
                    f"but what this means are labels; expected a continuous image: set data/augmentation=none, or "
                    f"photometric_on"
                )
            self._photo_place = places[0]
            self._photo_type = types[places[0]]
            self._photometric = A.Compose(copy.deepcopy(list(photometric.values())))

    def __call__(self, input: np.ndarray, target: np.ndarray, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Augment a pair by draws that depend on ``seed`` alone.

        Args:
            input: (H, W, planes), not below the crop in size.
            target: the same of equal size.
            seed: integers that identify the draw.

        Returns:
            Both as (crop height, crop width, planes) of their own dtype; possibly views of what was given.
        """
        top, left, mirror, geometry_seed, photometric_seed = np.random.SeedSequence(seed).generate_state(5).tolist()
        if self._geometry is not None:
            input, target = self._warped(input, target, geometry_seed)
        height, width = input.shape[:2]
        if height < self.height or width < self.width:
            raise UserError(
                f"data.augmentation.geometry made a pair {width}x{height} pixels (width x height), smaller than the "
                f"crop of {self.width}x{self.height}; expected one to cut it from: raise data.load_size, or let the "
                f"transforms enlarge alone"
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
        blank = np.zeros((*input.shape[:2], 1), np.uint8)  # albumentations wants an image, and both may be labels
        result = self._run(self._geometry, "geometry", seed, image=blank, input=input, target=target)
        input, target = (
            np.ascontiguousarray(result[key]).reshape(*result[key].shape[:2], -1) for key in ("input", "target")
        )
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
        is_bytes = image.dtype == np.uint8
        shades = image if is_bytes else ((image.astype(np.float32) - low) / (high - low)).clip(0, 1)
        relit = self._run(self._photometric, "photometric", seed, image=np.ascontiguousarray(shades))["image"]
        relit = relit.reshape(image.shape)
        if is_bytes:
            return relit
        values = relit.clip(0, 1) * (high - low) + low
        return values.round().astype(np.uint16) if image.dtype == np.uint16 else values.astype(np.float32)

    def _run(self, compose: A.Compose, name: str, seed: int, **images: np.ndarray) -> dict[str, Any]:
        # Compose keeps one generator that forked workers copy, so unseeded draws would repeat in every worker.
        compose.set_random_seed(seed)
        try:
            return compose(**images)
        except (ValueError, TypeError, RuntimeError, KeyError, cv2.error) as error:
            shapes = ", ".join(f"{key} {image.shape} {image.dtype}" for key, image in images.items())
            raise UserError(
                f"data.augmentation.{name} cannot transform these images ({shapes}): {str(error).strip()}; expected "
                f"transforms that suit them: remove or replace one, as with '~data.augmentation.{name}.NAME'"
            ) from error


def _keep_labels_in_place(transforms: Sequence[A.BasicTransform | A.BaseCompose]) -> None:
    """Let transforms that resize take the nearest pixel by centres, as they do for photographs.

    By default they take OpenCV's INTER_NEAREST, which moves labels up to half a pixel.
    """
    for transform in transforms:
        if isinstance(transform, A.BaseCompose):
            _keep_labels_in_place(transform.transforms)
        elif (
            any(part in type(transform).__module__ for part in (".resize", ".crops"))  # others warp, without a bias
            and getattr(transform, "mask_interpolation", None) == cv2.INTER_NEAREST
        ):
            transform.mask_interpolation = cv2.INTER_NEAREST_EXACT


def _below(count: int, draw: int) -> int:
    """A number in [0, count) from 32 random bits."""
    return draw * count >> 32
