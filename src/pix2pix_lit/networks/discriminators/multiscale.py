"""Several PatchGANs at several resolutions (Wang et al. 2018, "pix2pixHD", section 3.2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput
from pix2pix_lit.networks.discriminators.patchgan import PatchGAN
from pix2pix_lit.networks.layers.norm import Norm


class MultiScalePatchGAN(nn.Module):
    """Networks of the same structure, each for the image at half the resolution of the one before it.

    The coarsest sees the largest part of the scene and guides the composition, the finest the details.

    Args:
        in_channels: channels of the input image.
        target_channels: channels of the image to classify.
        conditional: as in ``PatchGAN``, and so are ``width``, ``layers``, ``norm``, ``spectral_norm`` and
            ``activation_checkpointing``.
        scales: number of networks.

    Raises:
        UserError: for fewer than one of ``scales``, and as ``PatchGAN``.
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
        scales: int = 2,
    ) -> None:
        super().__init__()
        if scales < 1:
            raise UserError(f"scales is {scales}; a multi-scale discriminator has 1 or more")
        discriminators = [
            PatchGAN(
                in_channels, target_channels, conditional, width, layers, norm, spectral_norm, activation_checkpointing
            )
            for _ in range(scales)
        ]
        self.discriminators = nn.ModuleList(discriminators)
        # an odd side is rounded up when it is halved
        self.smallest_side = (discriminators[0].smallest_side - 1) * 2 ** (scales - 1) + 1

    def forward(self, input: Tensor, image: Tensor) -> list[DiscriminatorOutput]:
        """Classify a batch of images; arguments as of ``PatchGAN.forward``.

        Returns:
            One output per scale, the full resolution first.

        Raises:
            UserError: if a side of the images is below ``smallest_side``.
        """
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest_side:
            raise UserError(
                f"the image is {height}x{width} (height x width); this discriminator of {len(self.discriminators)} "
                f"scales takes images of at least {self.smallest_side}x{self.smallest_side}: use larger images, or "
                f"set fewer model.discriminator.scales or model.discriminator.layers"
            )
        output = []
        for scale, discriminator in enumerate(self.discriminators):
            if scale:
                input, image = _halved(input), _halved(image)
            output += discriminator(input, image)
        return output


def _halved(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, kernel_size=3, stride=2, padding=1, count_include_pad=False)
