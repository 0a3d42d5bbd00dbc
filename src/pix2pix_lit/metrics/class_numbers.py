"""From images of networks to the classes that are scored."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import CLASS_NAMES, COLOR_VALUES, PALETTE_NAMES, nearest_indices

_CITYSCAPES = {"cityscapes", "cityscapes_all"}


class ScoredClasses:
    """The classes of label images that are scored, numbered from 0; ``count`` stands for void, which is not.

    Void is the class ``target.void`` of class numbers, and every colour of Cityscapes' palettes that stands for none of
    the 19 evaluated classes. A generated pixel is never void: it has the best class, or the nearest colour, among those
    that are scored. A real one has the nearest colour of the whole palette, since JPEG and resizing change colours.

    Args:
        target: type of class numbers, or of colours with a palette.
    """

    def __init__(self, target: ImageType) -> None:
        self.target = target
        palette = target.palette_colors
        if target.classes is not None:
            self._number_of = np.arange(target.classes)
            if target.void is not None:
                self._number_of = np.where(self._number_of > target.void, self._number_of - 1, self._number_of)
                self._number_of[target.void] = target.classes - 1
            self.count = target.classes - (target.void is not None)
        elif target.palette in _CITYSCAPES:
            names = PALETTE_NAMES[str(target.palette)]
            of_name = {name: number for number, name in enumerate(CLASS_NAMES)}
            self._number_of = np.array([of_name.get(name, len(CLASS_NAMES)) for name in names])
            self.count = len(CLASS_NAMES)
        else:
            assert palette is not None
            self.count = len(palette)
            self._number_of = np.arange(self.count)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the classes, where they are known; else ``class 0`` and so on."""
        target = self.target
        known = PALETTE_NAMES.get(str(target.palette)) if isinstance(target.palette, str) else None
        if known is None and target.values in {"cityscapes_train_ids", *COLOR_VALUES}:
            known = PALETTE_NAMES["cityscapes"]
        named = dict(zip(self._number_of.tolist(), known or (), strict=False))
        return tuple(named.get(number, f"class {number}") for number in range(self.count))

    def of_real(self, images: Tensor) -> Tensor:
        """(N, network_channels, H, W) floats of real images -> (N, H, W) int64, ``count`` for void."""
        if self.target.classes is not None:
            numbers = images[:, : self.target.classes].argmax(1)
            return torch.from_numpy(self._number_of).to(images.device)[numbers]
        assert self.target.palette_colors is not None
        return self._nearest(images, self.target.palette_colors, self._number_of)

    def of_fake(self, images: Tensor) -> Tensor:
        """(N, network_channels, H, W) floats of generated images -> (N, H, W) int64 below ``count``."""
        scored = np.flatnonzero(self._number_of < self.count)
        if self.target.classes is not None:
            best = images[:, torch.from_numpy(scored).to(images.device)].argmax(1)
            return torch.from_numpy(self._number_of[scored]).to(images.device)[best]
        assert self.target.palette_colors is not None
        return self._nearest(images, self.target.palette_colors[scored], self._number_of[scored])

    def _nearest(self, images: Tensor, palette: np.ndarray, numbers: np.ndarray) -> Tensor:
        colors = self.target.from_network(images).permute(0, 2, 3, 1).cpu().numpy()
        found = [numbers[nearest_indices(np.ascontiguousarray(image), palette)] for image in colors]
        return torch.from_numpy(np.stack(found)).to(images.device)
