"""The PatchGAN discriminator (Isola et al. 2017, sections 3.2.2 and 6.1.2)."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as spectrally_normed

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput
from pix2pix_lit.networks.layers.activation_checkpointing import checkpointed
from pix2pix_lit.networks.layers.norm import Norm, make_norm


class PatchGAN(nn.Module):
    """Classifies every patch of an image as real or fake.

    C64-C128-C256-C512 and a one-channel convolution for ``layers=3``.

    Args:
        in_channels: channels of the input image.
        target_channels: channels of the image to classify.
        conditional: whether it sees the input beside the image; if not, the image alone (the ablation
             "GAN" against "cGAN" of the paper's table 1).
        width: channels after the first convolution; they double per layer up to ``8 * width``.
        layers: stride-2 layers, 0 to 6, which set the receptive field: 1, 16, 34, 70, 142, 286 or 574 pixels.
            0 is the PixelGAN, which has 1x1 convolutions only.
        norm: ``batch``, ``instance`` or ``none``; none on the first and the last convolution.
        spectral_norm: whether every convolution's weight is divided by its largest singular value (Miyato et al.
            2018), by one power iteration per training pass.
        activation_checkpointing: recompute the activations of every block in the backward pass instead of storing
            them (Chen et al. 2016): less memory, more time, the same numbers.

    Raises:
        UserError: for another number of ``layers`` or an unknown ``norm``.
    """

    def __init__(
        self,
        in_channels: int = 3,
        target_channels: int = 3,
        conditional: bool = True,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "batch",
        spectral_norm: bool = False,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= layers <= 6:
            raise UserError(f"layers is {layers}; a PatchGAN has 0 to 6 stride-2 layers")
        self.conditional = conditional
        self.activation_checkpointing = activation_checkpointing
        self.smallest_side = 3 * 2**layers if layers else 1  # leaves one logit after the two stride-1 convolutions

        # (kernel, stride, out channels) of each convolution except the last
        if layers == 0:
            plan = [(1, 1, width), (1, 1, 2 * width)]
        else:
            plan = [(4, 2, width * min(2**i, 8)) for i in range(layers)]
            plan.append((4, 1, width * min(2**layers, 8)))

        blocks: list[nn.Module] = []
        channels = in_channels + target_channels if conditional else target_channels
        for i, (kernel, stride, out) in enumerate(plan):
            is_normed = i > 0
            conv = nn.Conv2d(
                channels, out, kernel, stride, padding=1 if kernel == 4 else 0, bias=not is_normed or norm == "none"
            )
            activation = nn.LeakyReLU(0.2, inplace=True)
            blocks.append(nn.Sequential(conv, make_norm(norm if is_normed else "none", out), activation))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        last_kernel = plan[-1][0]
        self.head = nn.Conv2d(channels, 1, last_kernel, padding=1 if last_kernel == 4 else 0)
        if spectral_norm:
            for conv in [module for module in self.modules() if isinstance(module, nn.Conv2d)]:
                spectrally_normed(conv)

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the square patch of the image that one logit depends on."""
        field = 1
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        for conv in reversed(convolutions):
            field = (field - 1) * conv.stride[0] + conv.kernel_size[0]
        return field

    def forward(self, input: Tensor, image: Tensor) -> list[DiscriminatorOutput]:
        """Classify a batch of images.

        Args:
            input: (N, in_channels, H, W) float in [-1, 1], what the generator was given; ignored if unconditional.
            image: (N, target_channels, H, W) float in [-1, 1], the real target or the generator's fake.

        Returns:
            One output; its logits are (N, 1, h, w) with h and w about H/2^layers and W/2^layers.

        Raises:
            UserError: if H or W is below ``smallest_side``.
        """
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest_side:
            raise UserError(
                f"the image is {height}x{width} (height x width); this PatchGAN takes images of at least "
                f"{self.smallest_side}x{self.smallest_side}: use larger images or set fewer model.discriminator.layers"
            )
        x = torch.cat([input, image], dim=1) if self.conditional else image
        features = []
        for block in self.blocks:
            x = self._run(block, x)
            features.append(x)
        return [DiscriminatorOutput(self.head(x), features)]

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if not self.activation_checkpointing:
            return block(x)
        conv, norm, activation = cast(tuple[nn.Conv2d, nn.Module, nn.Module], tuple(block.children()))
        weight = conv.weight  # outside of run: every access is one power iteration of a spectral norm

        def run(x: Tensor) -> Tensor:
            return activation(norm(F.conv2d(x, weight, conv.bias, conv.stride, conv.padding)))

        return checkpointed(block, run, x)
