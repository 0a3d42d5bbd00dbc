"""Feature matching: the distance of a fake from its target in the discriminator's features."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.losses.objective import Loss
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput


class FeatureMatchingLoss(Loss):
    """Salimans et al. 2016, section 3.1, in the form of Wang et al. 2018 ("pix2pixHD"), equation 4.

    Args:
        weight: factor on the term, 10 in pix2pixHD; 0 leaves it out.
    """

    key = "feature_matching"
    needs = ("fake_output", "target_output")

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__(weight)

    def forward(self, fake: list[DiscriminatorOutput], target: list[DiscriminatorOutput]) -> Tensor:
        """Mean absolute difference of every feature map, summed over layers, the mean over scales; not weighted.

        Args:
            fake: outputs for N fakes, which gradients flow through.
            target: outputs for their N targets under the same weights; taken as constants.
        """
        differences = [
            F.l1_loss(ours.float(), theirs.detach().float())
            for fake_scale, target_scale in zip(fake, target, strict=True)
            for ours, theirs in zip(fake_scale.features, target_scale.features, strict=True)
        ]
        return torch.stack(differences).sum() / len(fake)
