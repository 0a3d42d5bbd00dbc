"""Judges: models that segment photos, to tell whether generated photos show what their labels say.

The FCN score of Isola et al. 2017, section 4.1, with any judge: "if the generated images are realistic, classifiers
trained on real images will be able to classify the synthesized image correctly as well".
"""

from pathlib import Path

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.sha256 import sha256_of
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.inference import Translator
from pix2pix_lit.metrics.class_numbers import ScoredClasses
from pix2pix_lit.runs.folder import checkpoint_in


class Judge:
    """A model that translates photos into class numbers, such as ``model=segmenter`` trains.

    Args:
        name: of the judge, for tables.
        path: of its checkpoint, of a run folder, whose last one is taken, or of an exported file.
        labels: type of the label images that the photos were generated from.
        photos: type of the photos.
        device: that it runs on.

    Raises:
        UserError: if it is for other photos or other classes.
    """

    def __init__(self, name: str, path: Path, labels: ImageType, photos: ImageType, device: str) -> None:
        self.name, self.path = name, checkpoint_in(path)
        self.translator = Translator.load(self.path, device)
        given, wanted = self.translator.input_type, self.translator.target_type
        if (given.channels, given.dtype) != (photos.channels, photos.dtype) or wanted.classes is None:
            raise UserError(
                f"judges.{name}={path} translates {given.describe()} into {wanted.describe()}; expected a model that "
                f"translates {photos.describe()} into class numbers, as model=segmenter does"
            )
        self.classes, self._real = ScoredClasses(wanted), ScoredClasses(labels)
        if self.classes.names != self._real.names:
            raise UserError(
                f"judges.{name}={path} knows {self.classes.count} classes ({', '.join(self.classes.names[:4])}, ...), "
                f"but the labels have {self._real.count} ({', '.join(self._real.names[:4])}, ...); expected the same"
            )
        self._labels = labels

    @torch.inference_mode()
    def classes_of(self, photos: Tensor) -> Tensor:
        """(N, planes, H, W) photos -> (N, H, W) int64 on the CPU: mean scores of each photo and its mirror image."""
        scores = self.translator.generate(photos) + self.translator.generate(photos.flip(-1)).flip(-1)
        return self.classes.of_fake(scores).cpu()

    def classes_in(self, labels: Tensor) -> Tensor:
        """(N, planes, H, W) labels -> (N, H, W) int64: the classes that the photos should show; ``count`` for void."""
        return self._real.of_real(self._labels.to_network(labels)).cpu()

    def protocol(self) -> dict[str, object]:
        """Plain values that say what the judge is."""
        metadata = self.translator.metadata
        return {
            "file": self.path.name,
            "sha256": sha256_of(self.path),
            "training": None if metadata is None else dict(metadata.training),
            "mirrored": True,
            "void": "not counted",
        }
