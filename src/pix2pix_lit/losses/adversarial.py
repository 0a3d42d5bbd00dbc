"""The adversarial terms, and penalties on the discriminator's gradient."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.checks import check_choice, check_integer, check_number
from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput

AdversarialKind = Literal["vanilla", "lsgan", "hinge", "wgangp"]


class AdversarialLoss:
    """What discriminator and generator each minimise on patch logits; the mean over scales, where there are several.

    Args:
        kind: ``vanilla`` binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014,
            section 3; the paper's), ``lsgan`` least squares to 1 and 0 (Mao et al. 2017), ``hinge`` (Lim & Ye
            2017), ``wgangp`` the Wasserstein critic with gradient penalty (Gulrajani et al. 2017).
        weight: factor on the generator's adversarial term; 0 means that no discriminator is wanted at all.
        real_label: what the discriminator of ``vanilla`` or ``lsgan`` shall say of reals, 0.5 to 1; below 1 it is
            one-sided label smoothing (Salimans et al. 2016, section 3.4, with 0.9). The generator still aims at 1.
        gradient_penalty: factor on the penalty of ``wgangp`` (10 in its paper); without meaning for the others.
        r1: gamma of the R1 regularisation (Mescheder et al. 2018, section 4.1), for any kind; 0 leaves it out.
        r1_every: batches from one R1 term to the next, which is multiplied by that number ("lazy regularization",
            Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1).

    Raises:
        UserError: for an unknown ``kind``, a number out of its range, or a ``real_label`` with a kind that has none.
    """

    def __init__(
        self,
        kind: AdversarialKind = "vanilla",
        weight: float = 1.0,
        real_label: float = 1.0,
        gradient_penalty: float = 10.0,
        r1: float = 0.0,
        r1_every: int = 16,
    ) -> None:
        check_choice("adversarial.kind", kind, AdversarialKind)
        check_number("adversarial.weight", weight)
        check_number("adversarial.real_label", real_label, 0.5, 1)
        check_number("adversarial.gradient_penalty", gradient_penalty)
        check_number("adversarial.r1", r1)
        check_integer("adversarial.r1_every", r1_every, 1)
        if real_label != 1 and kind not in ("vanilla", "lsgan"):
            raise UserError(
                f"adversarial.real_label is {real_label}, but {kind} has no labels; expected 1, or the kind vanilla or "
                f"lsgan"
            )
        self.kind = kind
        self.weight = weight
        self.real_label = real_label
        self.gradient_penalty = gradient_penalty
        self.r1 = r1
        self.r1_every = int(r1_every)

    @property
    def penalises_gradients(self) -> bool:
        """Whether the loss looks at the gradient at each image by itself, which BatchNorm would mix with others."""
        return self.kind == "wgangp" or self.r1 > 0

    def on_real(self, judged: list[DiscriminatorOutput]) -> Tensor:
        """The discriminator's loss on reals: a scalar."""
        match self.kind:
            case "hinge":
                return _mean(judged, lambda logits: F.relu(1 - logits).mean())
            case "wgangp":
                return _mean(judged, lambda logits: -logits.mean())
        return self._towards(self.real_label, judged)

    def on_fake(self, judged: list[DiscriminatorOutput]) -> Tensor:
        """The discriminator's loss on fakes: a scalar."""
        match self.kind:
            case "hinge":
                return _mean(judged, lambda logits: F.relu(1 + logits).mean())
            case "wgangp":
                return _mean(judged, torch.mean)
        return self._towards(0.0, judged)

    def for_generator(self, judged: list[DiscriminatorOutput]) -> Tensor:
        """The generator's loss on its fakes, not yet weighted: a scalar."""
        if self.kind in ("hinge", "wgangp"):
            return _mean(judged, lambda logits: -logits.mean())
        return self._towards(1.0, judged)

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
        gradient = _gradient_at(mixture, discriminator, input)
        return self.gradient_penalty * (gradient.flatten(1).norm(dim=1) - 1).square().mean()

    def r1_penalty(self, discriminator: nn.Module, input: Tensor, real: Tensor) -> Tensor:
        """Mescheder et al. 2018, equation 9: gamma / 2 * |gradient of D at a real|^2, here times ``r1_every``.

        The gradient is that of the sum of all patch logits with respect to the target alone.

        Args:
            discriminator: the network to keep smooth.
            input: (N, C, H, W) float, what the generator saw.
            real: (N, C', H, W) float targets.

        Returns:
            A weighted scalar that can be differentiated, for one batch of every ``r1_every``.
        """
        gradient = _gradient_at(real, discriminator, input)
        return self.r1_every * self.r1 / 2 * gradient.square().sum((1, 2, 3)).mean()

    def _towards(self, label: float, judged: list[DiscriminatorOutput]) -> Tensor:
        loss = F.mse_loss if self.kind == "lsgan" else F.binary_cross_entropy_with_logits
        return _mean(judged, lambda logits: loss(logits, torch.full_like(logits, label)))


def _mean(judged: list[DiscriminatorOutput], loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over scales of a loss on logits, in float32 whatever precision the discriminator ran in."""
    return torch.stack([loss(scale.logits.float()) for scale in judged]).mean()


def _gradient_at(image: Tensor, discriminator: nn.Module, input: Tensor) -> Tensor:
    """Gradient of the sum of all logits with respect to the judged image, (N, C', H, W) float32, differentiable.

    All of it is float32: a gradient of a gradient squares what bfloat16 rounds off, and float16 overflows.
    """
    image = image.detach().float().requires_grad_(True)
    with torch.autocast(image.device.type, enabled=False):
        # not called, since a module that was compiled in place has no second derivatives when it is
        judged = discriminator.forward(input.detach().float(), image)
        total = torch.stack([scale.logits.sum() for scale in judged]).sum()
        (gradient,) = torch.autograd.grad(total, image, create_graph=True)
    return gradient
