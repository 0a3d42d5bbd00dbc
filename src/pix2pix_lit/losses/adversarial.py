"""Adversarial losses: what discriminator and generator each minimise on the discriminator's output."""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix_lit.checks import check_number
from pix2pix_lit.losses.gradient_penalty import GradientPenalty
from pix2pix_lit.losses.objective import Loss, Term
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput


class AdversarialLoss(Loss):
    """Base of the adversarial losses: subclasses define ``on_real``, ``on_fake`` and ``for_generator``.

    Each gets the discriminator's outputs, one per scale, and the (N, C, H, W) float input that the discriminator saw
    beside the images; it returns a scalar that is not weighted.

    Args:
        weight: factor on the generator's term; 0 trains without a discriminator.
    """

    key = "adversarial"

    discriminator_weight: ClassVar[float] = 0.5
    """On the terms of fakes and of reals: halved, it "slows down the rate at which D learns relative to G" (Isola et
    al. 2017, section 3.3)."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)

    def on_real(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        """The discriminator's loss on real images."""
        raise NotImplementedError

    def on_fake(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        """The discriminator's loss on fakes."""
        raise NotImplementedError

    def for_generator(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        """The generator's loss on its fakes."""
        raise NotImplementedError

    def terms(self, name: str) -> list[Term]:
        share = self.discriminator_weight if self.weight > 0 else 0.0
        return [
            Term(f"G_{name}", "generator", self.weight, ("fake_output", "fake_input"), self.for_generator),
            Term("D_fake", "discriminator", share, ("fake_output", "fake_input"), self.on_fake),
            Term("D_real", "discriminator", share, ("target_output", "target_input"), self.on_real),
        ]


class VanillaLoss(AdversarialLoss):
    """Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, section 3): the paper's.

    Args:
        weight: as in ``AdversarialLoss``.
        real_label: the discriminator's label of real images, 0.5 to 1; below 1 it is one-sided label smoothing
            (Salimans et al. 2016, section 3.4, with 0.9). The generator still aims at 1.
    """

    def __init__(self, weight: float = 1.0, real_label: float = 1.0) -> None:
        super().__init__(weight)
        check_number("model.adversarial.real_label", real_label, 0.5, 1)
        self.real_label = real_label

    def on_real(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return self._against(self.real_label, output)

    def on_fake(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return self._against(0.0, output)

    def for_generator(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return self._against(1.0, output)

    def _against(self, label: float, output: list[DiscriminatorOutput]) -> Tensor:
        return mean_over_scales(output, lambda logits: self._distance(logits, torch.full_like(logits, label)))

    def _distance(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, labels)


class LeastSquaresLoss(VanillaLoss):
    """Squared distance of the logits to their labels (Mao et al. 2017, "LSGAN"); arguments as of ``VanillaLoss``."""

    def _distance(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.mse_loss(logits, labels)


class HingeLoss(AdversarialLoss):
    """Lim & Ye 2017."""

    def on_real(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, lambda logits: F.relu(1 - logits).mean())

    def on_fake(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, lambda logits: F.relu(1 + logits).mean())

    def for_generator(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, lambda logits: -logits.mean())


class WassersteinLoss(AdversarialLoss):
    """The Wasserstein critic with gradient penalty (Gulrajani et al. 2017, "WGAN-GP").

    Args:
        weight: as in ``AdversarialLoss``.
        gradient_penalty: factor on the penalty, 10 in the paper.
    """

    discriminator_weight = 1.0

    def __init__(self, weight: float = 1.0, gradient_penalty: float = 10.0) -> None:
        super().__init__(weight)
        self.penalty = GradientPenalty(gradient_penalty)

    def on_real(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, lambda logits: -logits.mean())

    def on_fake(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, torch.mean)

    def for_generator(self, output: list[DiscriminatorOutput], input: Tensor) -> Tensor:
        return mean_over_scales(output, lambda logits: -logits.mean())

    def terms(self, name: str) -> list[Term]:
        return super().terms(name) + (self.penalty.terms("penalty") if self.weight > 0 else [])


def mean_over_scales(output: list[DiscriminatorOutput], loss: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean over scales of a loss on logits, in float32 whatever precision the discriminator ran in."""
    return torch.stack([loss(scale.logits.float()) for scale in output]).mean()
