"""Sums over images and processes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics.class_numbers import ScoredClasses

WIDE = torch.float32 if torch.backends.mps.is_available() else torch.float64
"""Of sums: Apple's GPUs have no float64."""

PairFunction = Callable[[Tensor, Tensor], Tensor]
"""Two (N, C, H, W) float32 images in [-1, 1], fakes and real ones -> (N,) floats."""


class MeanOverImages(Metric):
    """Mean over images of a function of a fake and its real image.

    All states are sums: processes may have any numbers of images, and together they equal one process.

    Args:
        function: of the images; a module follows the metric to its device, stays in eval mode, and is not stored.
    """

    sum: Tensor
    count: Tensor

    def __init__(self, function: PairFunction) -> None:
        super().__init__()
        if isinstance(function, nn.Module):
            make_constant(function)
        self.function = function
        self.add_state("sum", torch.tensor(0.0, dtype=WIDE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def train(self, mode: bool = True) -> "MeanOverImages":
        """Stay in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def values(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N,) of ``WIDE``, of each image."""
        with torch.autocast(fake.device.type, enabled=False):
            return self.function(fake.float().contiguous(), real.float().contiguous()).to(WIDE)

    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, C, H, W) floats in [-1, 1]."""
        self.sum += self.values(fake, real).sum()
        self.count += len(fake)

    def compute(self) -> Tensor:
        """The mean over all images so far; NaN without any."""
        return self.sum / self.count


def make_constant(network: nn.Module) -> None:
    """Replace all parameters by buffers that are in no checkpoint, and set eval mode, in place."""
    network.eval()
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach(), persistent=False)
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer, persistent=False)


class ConfusionMatrix(Metric):
    """Counts of pixels by real and generated class, summed over images and processes; a score of the sums.

    torchmetrics' ``segmentation.MeanIoU`` averages scores of images instead, which is another number.

    Args:
        target: type of the labels.
        score: (K, K) float64 counts, rows are real classes -> a number, NaN where nothing was counted.
    """

    matrix: Tensor

    def __init__(self, target: ImageType, score: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.classes = ScoredClasses(target)
        self.score = score
        count = self.classes.count
        self.add_state("matrix", torch.zeros(count, count, dtype=torch.int64), dist_reduce_fx="sum")

    def matrices(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N, K, K) int64, of each image."""
        count = self.classes.count
        real_classes, fake_classes = self.classes.of_real(real), self.classes.of_fake(fake)
        cells = (real_classes * count + fake_classes).flatten(1)
        is_scored = (real_classes < count).flatten(1)
        counts = [torch.bincount(row[scored], minlength=count**2) for row, scored in zip(cells, is_scored, strict=True)]
        return torch.stack(counts).view(-1, count, count)

    @torch.no_grad()
    def values(self, fake: Tensor, real: Tensor) -> Tensor:
        """(N,) of ``WIDE``: the score of each image by itself."""
        return torch.stack([self.score(matrix.to(WIDE)) for matrix in self.matrices(fake, real)])

    @torch.no_grad()
    def update(self, fake: Tensor, real: Tensor) -> None:
        """Count a batch of (N, channels, H, W) floats, as networks have them."""
        self.matrix += self.matrices(fake, real).sum(0)

    def compute(self) -> Tensor:
        """The score of all pixels so far."""
        return self.score(self.matrix.to(WIDE))

    def of_classes(self) -> dict[str, float]:
        """Intersection over union of every class so far; NaN for one that neither labels nor translations have."""
        return dict(zip(self.classes.names, intersection_over_union(self.matrix.to(WIDE)).tolist(), strict=True))


def intersection_over_union(matrix: Tensor) -> Tensor:
    """(K, K) counts, rows are real classes -> (K,): pixels of a class in both, of those in any; 0 / 0 is NaN."""
    return matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())
