"""Penalties on the gradient of the discriminator at an image."""

import torch
from torch import Tensor

from pix2pix_lit.checks import check_integer
from pix2pix_lit.losses.objective import Loss, Term
from pix2pix_lit.networks.discriminators.discriminator import Discriminator


class GradientPenalty(Loss):
    """(|gradient of D at a random mixture of real and fake| - 1)^2 (Gulrajani et al. 2017, algorithm 1).

    The gradient is taken with respect to the image alone; the input that D sees beside it is the same for real and
    fake.

    Args:
        weight: factor, lambda of the paper.
    """

    key = "adversarial.gradient_penalty"
    needs = ("discriminator", "input", "target", "fake")

    def terms(self, name: str) -> list[Term]:
        return [Term(f"D_{name}", "discriminator", self.weight, self.needs, self)]

    def forward(self, discriminator: Discriminator, input: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """The mean over a batch: a scalar that can be differentiated, not weighted.

        Args:
            discriminator: the critic.
            input: (N, C, H, W) float, what the generator is given.
            real: (N, C', H, W) float targets.
            fake: (N, C', H, W) float fakes, detached.
        """
        share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
        mixture = torch.lerp(fake.to(real.dtype), real, share)
        gradient = _gradient_at(mixture, discriminator, input)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class R1Penalty(Loss):
    """|gradient of D at a real image|^2 / 2 (Mescheder et al. 2018, equation 9), for any adversarial loss.

    The gradient is that of the sum of all logits with respect to the target alone.

    Args:
        weight: gamma; 0 leaves the term out.
        every: training steps from one evaluation to the next, whose value is multiplied by that number ("lazy
            regularization", Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1).
    """

    key = "r1"
    needs = ("discriminator", "input", "target")

    def __init__(self, weight: float = 0.0, every: int = 16) -> None:
        super().__init__(weight)
        check_integer("model.r1.every", every, 1)
        self.every = every

    def terms(self, name: str) -> list[Term]:
        return [Term(f"D_{name}", "discriminator", self.weight, self.needs, self, self.every)]

    def forward(self, discriminator: Discriminator, input: Tensor, real: Tensor) -> Tensor:
        """The mean over a batch, times ``every``: a scalar that can be differentiated, not weighted.

        Args:
            discriminator: the network to regularise.
            input: (N, C, H, W) float, what the generator is given.
            real: (N, C', H, W) float targets.
        """
        gradient = _gradient_at(real, discriminator, input)
        return self.every / 2 * gradient.square().sum((1, 2, 3)).mean()


def _gradient_at(image: Tensor, discriminator: Discriminator, input: Tensor) -> Tensor:
    """Gradient of the sum of all logits with respect to ``image``, (N, C', H, W) float32, differentiable.

    In float32 throughout: a gradient of a gradient squares what bfloat16 rounds off, and float16 overflows.
    """
    image = image.detach().float().requires_grad_(True)
    with torch.autocast(image.device.type, enabled=False):
        # forward() rather than a call: a module compiled in place has no second derivatives when called.
        output = discriminator.forward(input.detach().float(), image)
        total = torch.stack([scale.logits.sum() for scale in output]).sum()
        (gradient,) = torch.autograd.grad(total, image, create_graph=True)
    return gradient
