"""The terms of the two objectives, each with its weight; none is weighted when called."""

from pix2pix_lit.losses.adversarial import AdversarialLoss, HingeLoss, LeastSquaresLoss, VanillaLoss, WassersteinLoss
from pix2pix_lit.losses.cross_entropy import CrossEntropyLoss
from pix2pix_lit.losses.feature_matching import FeatureMatchingLoss
from pix2pix_lit.losses.gradient_penalty import GradientPenalty, R1Penalty
from pix2pix_lit.losses.objective import Loss, Need, Objective, Term
from pix2pix_lit.losses.perceptual import PerceptualLoss
from pix2pix_lit.losses.reconstruction import CharbonnierLoss, L1Loss, L2Loss, ReconstructionLoss

__all__ = [
    "AdversarialLoss",
    "CharbonnierLoss",
    "CrossEntropyLoss",
    "FeatureMatchingLoss",
    "GradientPenalty",
    "HingeLoss",
    "L1Loss",
    "L2Loss",
    "LeastSquaresLoss",
    "Loss",
    "Need",
    "Objective",
    "PerceptualLoss",
    "R1Penalty",
    "ReconstructionLoss",
    "Term",
    "VanillaLoss",
    "WassersteinLoss",
]
