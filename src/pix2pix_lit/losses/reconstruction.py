"""Reconstruction losses: the distance of a fake from its target, pixel by pixel.

Each takes two (N, C, H, W) float images in [-1, 1] and returns the mean over everything, a scalar that is not weighted.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.checks import check_number
from pix2pix_lit.losses.objective import Loss, Need


class ReconstructionLoss(Loss):
    """Base of the reconstruction losses.

    Args:
        weight: factor on the term (lambda, 100 in the paper's equation 4); 0 leaves it out.
    """

    key = "reconstruction"
    needs: ClassVar[tuple[Need, ...]] = ("fake", "target")

    def __init__(self, weight: float = 100.0) -> None:
        super().__init__(weight)


class L1Loss(ReconstructionLoss):
    """Mean absolute difference: the paper's."""

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(fake, target)


class L2Loss(ReconstructionLoss):
    """Mean squared difference."""

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(fake, target)


class CharbonnierLoss(ReconstructionLoss):
    """sqrt(difference^2 + epsilon^2), an L1 that is smooth at 0 (Lai et al. 2017, section 3.2).

    Args:
        weight: as in ``ReconstructionLoss``.
        epsilon: at least 1e-8, since the square root has no derivative at 0.
    """

    def __init__(self, weight: float = 100.0, epsilon: float = 1e-3) -> None:
        super().__init__(weight)
        check_number("model.reconstruction.epsilon", epsilon, 1e-8)
        self.epsilon = epsilon

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        return torch.sqrt((fake - target).square() + self.epsilon**2).mean()
