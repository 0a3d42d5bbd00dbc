"""The loss terms, each with its weight; none of them is weighted when called."""

from pix2pix_lit.losses.adversarial import AdversarialLoss
from pix2pix_lit.losses.feature_matching import FeatureMatchingLoss
from pix2pix_lit.losses.perceptual import PerceptualLoss
from pix2pix_lit.losses.reconstruction import ReconstructionLoss

__all__ = ["AdversarialLoss", "FeatureMatchingLoss", "PerceptualLoss", "ReconstructionLoss"]
