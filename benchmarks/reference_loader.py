"""Reads pairs like the reference implementation's data loader, written from its description."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional


def resize_as_the_reference(path: Path, load_size: int) -> list[Image.Image]:
    """The two halves of a side-by-side file, each resized to a square by Pillow's bicubic filter."""
    aligned = Image.open(path).convert("RGB")
    width, height = aligned.size
    boxes = ((0, 0, width // 2, height), (width // 2, 0, width, height))
    return [aligned.crop(box).resize((load_size, load_size), Image.Resampling.BICUBIC) for box in boxes]


def load_as_the_reference(path: Path, crop_size: int, generator: np.random.Generator) -> list[torch.Tensor]:
    """A side-by-side file -> two (3, crop_size, crop_size) float tensors in [-1, 1], jittered and randomly mirrored."""
    load_size = crop_size * 286 // 256
    left, top = generator.integers(0, load_size - crop_size + 1, 2).tolist()
    mirror = generator.random() > 0.5
    tensors = []
    for half in resize_as_the_reference(path, load_size):
        half = half.crop((left, top, left + crop_size, top + crop_size))
        if mirror:
            half = half.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensors.append(functional.normalize(functional.to_tensor(half), [0.5] * 3, [0.5] * 3))
    return tensors
