"""Pads images of any size to a size that a network accepts."""

import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.images.image_type import ImageType


def padded_floats(images: Tensor, input_type: ImageType, multiple: int, smallest: int) -> Tensor:
    """The input of a network for images of any size.

    Args:
        images: (N, planes, H, W) of ``input_type``.
        input_type: of the images.
        multiple: of both sides of the result.
        smallest: least length of a side of the result, a multiple itself.

    Returns:
        (N, network channels, H', W') floats in [-1, 1], padded on the right and below by reflection.
    """
    floats = input_type.to_network(images)
    for dim in (-2, -1):
        length = floats.shape[dim]
        missing = max(-length % multiple, smallest - length)
        if missing:
            # NumPy reflects back and forth where the padding is longer than the image; torch refuses that.
            indices = np.pad(np.arange(length), (0, missing), mode="reflect")
            floats = floats.index_select(dim, torch.from_numpy(indices).to(floats.device))
    return floats
