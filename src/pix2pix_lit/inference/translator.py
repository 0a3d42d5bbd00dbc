"""The one path from an image to its translation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoint import load_generator
from pix2pix_lit.image_type import RGB, ImageType


class Translator:
    """Translates images of any size with a generator in inference mode.

    The translation of an image is the same whatever batch it is in: no dropout, and norm statistics per image or
    fixed, as the generator's ``norm_inference`` says.

    Args:
        generator: a network with ``size_multiple`` and ``smallest_side``; left in the mode and on the
            device that it has.
        input_type: what it translates.
        target_type: what it paints.
    """

    def __init__(self, generator: nn.Module, input_type: ImageType = RGB, target_type: ImageType = RGB) -> None:
        self.generator = generator
        self.input_type = input_type
        self.target_type = target_type
        self.size_multiple = int(generator.size_multiple)  # type: ignore[arg-type]
        self.smallest_side = int(generator.smallest_side)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str | torch.device = "cpu") -> "Translator":
        """The translator of a checkpoint.

        Raises:
            UserError: if the checkpoint cannot be read or is none of ours; see ``checkpoint.load_generator``.
        """
        network, input_type, target_type = load_generator(path)
        return cls(network.to(device), input_type, target_type)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Translate a batch.

        Args:
            images: (N, planes, H, W) of ``input_type``, of any height and width, on any device.

        Returns:
            (N, channels, H, W) of ``target_type``, on the CPU.
        """
        device = next(self.generator.parameters()).device
        height, width = images.shape[-2:]
        padded = _pad(self.input_type.to_network(images.to(device)), self.size_multiple, self.smallest_side)
        with _eval_mode(self.generator):
            fakes = self.generator(padded)
        return self.target_type.from_network(fakes[..., :height, :width]).cpu()


def _pad(images: Tensor, multiple: int, smallest: int) -> Tensor:
    """Continue (N, C, H, W) to the right and below by reflection until ``multiple`` divides both sides.

    Neither side is below ``smallest`` then, which is a multiple itself.
    """
    for dim in (-2, -1):
        length = images.shape[dim]
        missing = max(-length % multiple, smallest - length)
        if missing:
            # NumPy reflects back and forth where the padding is longer than the image; torch refuses that.
            indices = np.pad(np.arange(length), (0, missing), mode="reflect")
            images = images.index_select(dim, torch.from_numpy(indices).to(images.device))
    return images


@contextmanager
def _eval_mode(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
