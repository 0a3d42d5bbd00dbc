"""A segmentation network: a pretrained encoder with a feature pyramid, for targets that are class numbers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.checks import FilePath, check_integer
from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.encoders.efficientnet_lite import ConvNorm, EfficientNetLite0


class Segmenter(nn.Module):
    """EfficientNet-Lite0 with a feature pyramid (Lin et al. 2017).

    From 1/32 to 1/4 of the resolution, features get ``width`` channels and are summed from coarse to fine; a 3x3
    convolution smooths each sum. The last sum is refined at 1/2, beside the encoder's first features, and its scores
    are enlarged to the input's size.

    Args:
        in_channels: 3, RGB.
        out_channels: classes.
        width: channels of the pyramid.
        dropout: probability that a channel of the finest map is dropped in training.
        pretrained: weights that the encoder starts from: ``imagenet``, a file, or None; see ``EfficientNetLite0``.

    Raises:
        UserError: for another number of input channels, or a value outside of what is described above.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 20,
        width: int = 96,
        dropout: float = 0.1,
        pretrained: FilePath | None = None,
    ) -> None:
        super().__init__()
        if in_channels != 3:
            raise UserError(
                f"the input has {in_channels} channels; a segmenter translates RGB images, 3 channels: choose "
                f"another model, or images of 3 channels"
            )
        check_integer("model.generator.width", width, 1)
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}; expected a probability from 0 to below 1")
        self.encoder = EfficientNetLite0(pretrained)
        finest, *coarser = self.encoder.channels
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in coarser)
        self.smooth = nn.ModuleList(ConvNorm(width, width, 3) for _ in coarser)
        narrow = max(width // 3, 1)
        self.refine = ConvNorm(width + finest, narrow, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(narrow, out_channels, 1)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.size_multiple = 32
        self.smallest_side = 64  # BatchNorm needs more than one value in training

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) float in [-1, 1] -> (N, out_channels, H, W) float scores; the largest is the pixel's class.

        Raises:
            UserError: if H or W is no multiple of 32.
        """
        height, width = x.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise UserError(
                f"the input is {height}x{width} (height x width); this network takes multiples of "
                f"{self.size_multiple}: crop or pad the images"
            )
        finest, *coarser = self.encoder(x)
        merged: Tensor | None = None
        for lateral, smooth, feature in reversed([*zip(self.lateral, self.smooth, coarser, strict=True)]):
            merged = smooth(lateral(feature) + (0 if merged is None else _enlarge(merged, "nearest")))
        assert merged is not None
        refined = self.refine(torch.cat([_enlarge(merged, "bilinear"), finest], 1))
        return _enlarge(self.classify(self.dropout(refined)), "bilinear")


def _enlarge(x: Tensor, mode: str) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode=mode)
