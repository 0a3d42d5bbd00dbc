"""Networks that were trained on photographs, for images of one or three channels in [-1, 1]."""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.internals.torchmetrics import inception_network
from pix2pix_lit.networks.encoders.efficientnet_lite import EfficientNetLite0


class DistanceOfColors(nn.Module):
    """Distance of two images by a network for RGB.

    Args:
        network: two (N, 3, H, W) float images -> N distances, in any shape.
        from_zero: whether it takes values in [0, 1] instead of [-1, 1].
    """

    def __init__(self, network: nn.Module, *, from_zero: bool = False) -> None:
        super().__init__()
        self.network = network
        self.from_zero = from_zero

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Two (N, C, H, W) floats in [-1, 1], C = 3, or 1, which is repeated -> (N,)."""
        images = [image.expand(-1, 3, -1, -1) for image in (fake, real)]
        if self.from_zero:
            images = [(image + 1) / 2 for image in images]
        return self.network(*images).reshape(len(fake))


class EffLite0Features(nn.Module):
    """The last features of EfficientNet-Lite0 with its ImageNet weights, averaged over the image.

    Args:
        weights: as ``EfficientNetLite0.pretrained``; None for those of the package.

    Raises:
        UserError: if they cannot be loaded.
    """

    count = 320
    """Of features."""

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(weights or "imagenet")
        self.encoder.load_pretrained()

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) floats in [-1, 1], C = 3, or 1, which is repeated -> (N, 320).

        Sides that are no multiples of 32 are resized to the nearest one.
        """
        size = [max(32, round(side / 32) * 32) for side in images.shape[-2:]]
        if size != list(images.shape[-2:]):
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return self.encoder(images.expand(-1, 3, -1, -1))[-1].mean((2, 3))


class InceptionFeatures(nn.Module):
    """The last pooled features of the InceptionV3 that FID was defined with.

    Args:
        weights: torch-fidelity's file.
    """

    count = 2048
    """Of features."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.network = inception_network(str(weights))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) floats in [-1, 1], C = 3, or 1, which is repeated -> (N, 2048)."""
        pixels = ((images.expand(-1, 3, -1, -1) + 1) * 127.5).round().clamp(0, 255).byte()  # torchmetrics' truncates
        return self.network(pixels)
