"""What translations are compared with: the real images, the input itself, and each class's mean colour."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import PairIndex, evenly_spread
from pix2pix_lit.evaluation.translations import Translated, Translations
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import nearest_indices

REAL, INPUT, MEAN_COLORS, MODEL = "real images", "input copied", "class mean colours", "model"

_TRAINING_PAIRS = 100
"""From which the mean colours of the classes are measured, spread evenly over the training split."""

Row = Callable[[Translated], Tensor]
"""A batch -> (N, planes, H, W) of the target's type: what stands in for its translations."""


def rows_of(translations: Translations, datamodule: PairsDataModule | None) -> dict[str, Row]:
    """The translations by name, between the real images and the baselines that this kind of data has.

    Args:
        translations: which are scored.
        datamodule: of their data set; without one, mean colours are not known.
    """
    rows: dict[str, Row] = {REAL: lambda batch: batch.target, MODEL: lambda batch: batch.generated}
    input_type, target_type = translations.input_type, translations.target_type
    if input_type is None or target_type.classes is not None:
        return rows
    if (input_type.channels, input_type.dtype, input_type.classes) == (target_type.channels, target_type.dtype, None):
        channels = target_type.channels
        rows[INPUT] = lambda batch: _known(batch.input)[:, :channels]
    if input_type.is_labels and not target_type.is_labels and datamodule is not None:
        rows[MEAN_COLORS] = MeanColors(input_type, target_type, datamodule)
    return rows


class MeanColors:
    """Every pixel has the mean colour that its class has in photos of the training split.

    A judge that only recognises colours scores these flat images high, so its scores mean little without them.

    Args:
        input_type: labels.
        target_type: photos.
        datamodule: of the data set.
    """

    def __init__(self, input_type: ImageType, target_type: ImageType, datamodule: PairsDataModule) -> None:
        self.input_type, self.target_type = input_type, target_type
        palette = input_type.palette_colors
        if input_type.classes is None and palette is None:  # unknown colours: the corners of the colour cube
            palette = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
        self._palette = palette
        pairs = datamodule.fixed_train_pairs()
        classes = input_type.classes or len(palette if palette is not None else ())
        sums, counts = np.zeros((classes, target_type.channels)), np.zeros(classes)
        for index in evenly_spread(len(pairs), _TRAINING_PAIRS):
            batch = pairs[[PairIndex(0, index)]]
            numbers = self._class_numbers(batch["input"])[0].ravel()
            photo = batch["target"][0].permute(1, 2, 0).reshape(-1, target_type.channels).numpy()
            counts += np.bincount(numbers, minlength=classes)
            for channel in range(target_type.channels):
                sums[:, channel] += np.bincount(numbers, weights=photo[:, channel], minlength=classes)
        overall = sums.sum(0) / counts.sum()
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], overall)
        self._means = torch.from_numpy(means.round().astype(target_type.dtype))

    def __call__(self, batch: Translated) -> Tensor:
        numbers = torch.from_numpy(self._class_numbers(_known(batch.input)))
        return self._means[numbers].permute(0, 3, 1, 2)

    def _class_numbers(self, images: Tensor) -> np.ndarray:
        """(N, planes, H, W) of the input's type -> (N, H, W)."""
        if self.input_type.classes is not None:
            return images[:, 0].numpy().astype(np.int64)
        assert self._palette is not None
        colors = images[:, :3].permute(0, 2, 3, 1).numpy()
        found = [nearest_indices(np.ascontiguousarray(image), self._palette) for image in colors]
        return np.stack(found).astype(np.int64)


def _known(input: Tensor | None) -> Tensor:
    assert input is not None
    return input
