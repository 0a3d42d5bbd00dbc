"""Paired augmentation: the same geometry for input and target."""

import os
from collections.abc import Sequence

import numpy as np

from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.errors import UserError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or every process looks for a newer release on import
import albumentations as A
import cv2


class PairTransform:
    """Resize, crop and flip of a pair: random for training (Isola et al. 2017, section 6.2), fixed for validation.

    Args:
        load_size: what both images are resized to (bicubic; area averaging where they shrink).
        crop_size: the part that is kept, at a random place; equal to ``load_size`` means no jitter.
        flip: mirror half of the pairs left to right.

    Raises:
        UserError: if a size is malformed or the crop is larger than what it is cut from.
    """

    def __init__(self, load_size: Size, crop_size: Size, flip: bool) -> None:
        height, width = height_and_width(load_size, "data.load_size")
        crop_height, crop_width = height_and_width(crop_size, "data.crop_size")
        if crop_height > height or crop_width > width:
            raise UserError(
                f"data.crop_size {crop_size} is larger than data.load_size {load_size}; expected a crop that fits "
                f"into the resized image: raise data.load_size (the paper has 286 for a crop of 256)"
            )
        steps: list[A.BasicTransform] = [
            A.Resize(height, width, interpolation=cv2.INTER_CUBIC, area_for_downscale="image")
        ]
        if (crop_height, crop_width) != (height, width):
            steps.append(A.RandomCrop(crop_height, crop_width))
        if flip:
            steps.append(A.HorizontalFlip(p=0.5))
        self._compose = A.Compose(steps, additional_targets={"target": "image"})

    def __call__(self, input: np.ndarray, target: np.ndarray, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Transform a pair by draws that depend on ``seed`` alone.

        Args:
            input: (H, W, 3) uint8.
            target: (H, W, 3) uint8 of the same size.
            seed: integers that identify the draw.

        Returns:
            Both as (crop height, crop width, 3) uint8.
        """
        # Compose keeps one generator that forked workers copy, so unseeded draws would repeat in every worker.
        self._compose.set_random_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        result = self._compose(image=input, target=target)
        return result["image"], result["target"]
