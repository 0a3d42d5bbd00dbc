"""The reconstruction term: a fake against its target."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.checks import check_choice, check_number

ReconstructionKind = Literal["l1", "l2", "charbonnier"]


class ReconstructionLoss:
    """How far a fake is from its target, pixel by pixel.

    Args:
        kind: ``l1`` (the paper's), ``l2``, or ``charbonnier`` sqrt(d^2 + epsilon^2), an L1 that is smooth at 0
            (Lai et al. 2017, section 3.2).
        weight: factor on the term (lambda, 100 in the paper's equation 4); 0 leaves it out.
        epsilon: the constant of ``charbonnier``.

    Raises:
        UserError: for an unknown ``kind`` or a negative number.
    """

    def __init__(self, kind: ReconstructionKind = "l1", weight: float = 100.0, epsilon: float = 1e-3) -> None:
        check_choice("reconstruction.kind", kind, ReconstructionKind)
        check_number("reconstruction.weight", weight)
        check_number("reconstruction.epsilon", epsilon, 1e-8)  # a root has no slope at 0
        self.kind = kind
        self.weight = weight
        self.epsilon = epsilon

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Two (N, C, H, W) float images in [-1, 1] -> scalar mean over everything, not yet weighted."""
        match self.kind:
            case "l1":
                return F.l1_loss(fake, real)
            case "l2":
                return F.mse_loss(fake, real)
            case "charbonnier":
                return torch.sqrt((fake - real).square() + self.epsilon**2).mean()
