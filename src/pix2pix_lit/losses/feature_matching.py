"""The feature matching term: a fake against its target, as the discriminator sees them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.checks import check_number
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput


class FeatureMatchingLoss:
    """How far the discriminator's features of a fake are from those of its target.

    Salimans et al. 2016, section 3.1, in the form of Wang et al. 2018 ("pix2pixHD"), equation 4.

    Args:
        weight: factor on the term, 10 in pix2pixHD; 0 leaves it out.

    Raises:
        UserError: for a negative weight.
    """

    def __init__(self, weight: float = 0.0) -> None:
        check_number("feature_matching.weight", weight)
        self.weight = weight

    def __call__(self, fake: list[DiscriminatorOutput], real: list[DiscriminatorOutput]) -> Tensor:
        """Mean absolute difference of every feature map, summed over layers, the mean over scales; not yet weighted.

        Args:
            fake: outputs of N fakes, which gradients flow through.
            real: outputs of their N targets under the same weights; taken as constants.
        """
        differences = [
            F.l1_loss(ours.float(), theirs.detach().float())
            for fake_scale, real_scale in zip(fake, real, strict=True)
            for ours, theirs in zip(fake_scale.features, real_scale.features, strict=True)
        ]
        return torch.stack(differences).sum() / len(fake)
