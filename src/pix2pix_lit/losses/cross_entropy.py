"""Cross-entropy for targets that are class numbers."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.losses.reconstruction import ReconstructionLoss


class CrossEntropyLoss(ReconstructionLoss):
    """Cross-entropy of the generator's scores of classes; pixels of the class ``void`` do not count.

    Args:
        weight: as in ``ReconstructionLoss``.
        balanced: whether all classes of a batch weigh the same, however few pixels they have; else all pixels do.
    """

    needs = ("fake", "target", "void")
    classes_only = True

    def __init__(self, weight: float = 1.0, balanced: bool = False) -> None:
        super().__init__(weight)
        self.balanced = balanced

    def forward(self, fake: Tensor, target: Tensor, void: int | None = None) -> Tensor:
        """A scalar, not weighted; 0 if no pixel counts.

        Args:
            fake: (N, classes, H, W) float scores.
            target: (N, classes, H, W) float, one-hot: 1 for the pixel's class, -1 for all others.
            void: the class whose pixels do not count.
        """
        classes = target.argmax(1)
        weights = torch.ones_like(classes, dtype=torch.float32) if void is None else (classes != void).float()
        if self.balanced:
            counts = torch.zeros(fake.shape[1], device=fake.device).scatter_add_(
                0, classes.flatten(), weights.flatten()
            )
            weights = weights / counts[classes].clamp(min=1)
        losses = F.cross_entropy(fake.float(), classes, reduction="none")
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(torch.float32).tiny)
