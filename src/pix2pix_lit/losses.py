"""The two loss terms: adversarial and reconstruction."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.errors import UserError

AdversarialKind = Literal["vanilla", "lsgan", "hinge", "wgangp"]
ReconstructionKind = Literal["l1", "l2", "charbonnier"]


class AdversarialLoss:
    """What discriminator and generator each minimise on patch logits.

    Args:
        kind: ``vanilla`` binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014,
            section 3; the paper's), ``lsgan`` least squares to 1 and 0 (Mao et al. 2017), ``hinge`` (Lim & Ye
            2017), ``wgangp`` the Wasserstein critic with gradient penalty (Gulrajani et al. 2017).
        weight: factor on the generator's adversarial term; 0 means that no discriminator is wanted at all.
        gradient_penalty: factor on the penalty of ``wgangp`` (10 in its paper); without meaning for the others.

    Raises:
        UserError: for an unknown ``kind`` or a negative weight.
    """

    def __init__(self, kind: AdversarialKind = "vanilla", weight: float = 1.0, gradient_penalty: float = 10.0) -> None:
        if kind not in get_args(AdversarialKind):
            raise UserError(f"adversarial.kind is {kind!r}; expected one of {get_args(AdversarialKind)}")
        if weight < 0:
            raise UserError(f"adversarial.weight is {weight}; expected 0 or more")
        self.kind = kind
        self.weight = weight
        self.gradient_penalty = gradient_penalty

    def on_real(self, logits: Tensor) -> Tensor:
        """The discriminator's loss on real images: (N, 1, h, w) patch logits -> scalar."""
        match self.kind:
            case "vanilla":
                return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            case "lsgan":
                return F.mse_loss(logits, torch.ones_like(logits))
            case "hinge":
                return F.relu(1 - logits).mean()
            case "wgangp":
                return -logits.mean()

    def on_fake(self, logits: Tensor) -> Tensor:
        """The discriminator's loss on fakes: (N, 1, h, w) patch logits -> scalar."""
        match self.kind:
            case "vanilla":
                return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
            case "lsgan":
                return F.mse_loss(logits, torch.zeros_like(logits))
            case "hinge":
                return F.relu(1 + logits).mean()
            case "wgangp":
                return logits.mean()

    def for_generator(self, logits: Tensor) -> Tensor:
        """The generator's loss, not yet weighted: (N, 1, h, w) patch logits of its fakes -> scalar."""
        return -logits.mean() if self.kind in ("hinge", "wgangp") else self.on_real(logits)

    def penalty(self, discriminator: nn.Module, input: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """Gulrajani et al. 2017, algorithm 1: (|gradient of D at a random mixture of real and fake| - 1)^2.

        The gradient is taken with respect to the judged image alone; the input it is conditioned on is the same
        for real and fake.

        Args:
            discriminator: the critic.
            input: (N, C, H, W) float, what the generator saw.
            real: (N, C', H, W) float targets.
            fake: (N, C', H, W) float fakes, detached.

        Returns:
            A weighted scalar that can be differentiated.
        """
        share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
        mixture = torch.lerp(fake.to(real.dtype), real, share)
        mixture.requires_grad_(True)
        logits = discriminator(input, mixture)
        (gradient,) = torch.autograd.grad(logits.sum(), mixture, create_graph=True)
        return self.gradient_penalty * (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class ReconstructionLoss:
    """How far a fake is from its target, pixel by pixel.

    Args:
        kind: ``l1`` (the paper's), ``l2``, or ``charbonnier`` sqrt(d^2 + epsilon^2), an L1 that is smooth at 0
            (Lai et al. 2017, section 3.2).
        weight: factor on the term (lambda, 100 in the paper's equation 4); 0 leaves it out.
        epsilon: the constant of ``charbonnier``.

    Raises:
        UserError: for an unknown ``kind`` or a negative weight.
    """

    def __init__(self, kind: ReconstructionKind = "l1", weight: float = 100.0, epsilon: float = 1e-3) -> None:
        if kind not in get_args(ReconstructionKind):
            raise UserError(f"reconstruction.kind is {kind!r}; expected one of {get_args(ReconstructionKind)}")
        if weight < 0:
            raise UserError(f"reconstruction.weight is {weight}; expected 0 or more")
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
