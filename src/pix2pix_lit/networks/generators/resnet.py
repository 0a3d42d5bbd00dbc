"""The residual generator of Johnson et al. 2016 as used by CycleGAN (Zhu et al. 2017, appendix 7.2)."""

import torch
from torch import Tensor, nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.layers.activation_checkpointing import checkpointed
from pix2pix_lit.networks.layers.dropout import sample_with_dropout
from pix2pix_lit.networks.layers.norm import InferenceStatistics, Norm, make_norm


class ResidualBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions and a shortcut: (N, C, H, W) -> the same shape."""

    def __init__(
        self, channels: int, *, norm: Norm, norm_inference: InferenceStatistics, bias: bool, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm1 = make_norm(norm, channels, norm_inference)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm2 = make_norm(norm, channels, norm_inference)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout(torch.relu(self.norm1(self.conv1(x))))
        return x + self.norm2(self.conv2(h))


class ResNetGenerator(nn.Module):
    """c7s1-64, d128, d256, R256 x ``blocks``, u128, u64, c7s1-3 (the notation of the CycleGAN paper), tanh.

    Args:
        in_channels: channels of the image to translate.
        out_channels: channels of the image to generate.
        width: channels after the first convolution.
        blocks: residual blocks at a quarter of the resolution; the papers have 6 for 128x128, 9 for 256x256.
        norm: ``batch``, ``instance`` or ``none``.
        norm_inference: what BatchNorm does in eval mode, ``per_image`` or ``running``; see ``norm.BatchNorm2d``.
        dropout: probability of the dropout within every residual block, 0 for none; active in train mode and
            in ``sample``.
        bias_before_norm: biases also on convolutions before a norm, which cancels them; the reference
            implementation has them with instance norm.
        activation_checkpointing: recompute the activations of every block in the backward pass instead of storing
            them (Chen et al. 2016): less memory, more time, the same numbers.

    Raises:
        UserError: for a value outside of what is described above.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        norm: Norm = "batch",
        norm_inference: InferenceStatistics = "per_image",
        dropout: float = 0.5,
        bias_before_norm: bool = False,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise UserError(f"dropout is {dropout}; expected a probability from 0 to 1")
        bias = norm == "none" or bias_before_norm  # a norm subtracts the mean, and any bias with it

        def normed(channels: int) -> nn.Module:
            return make_norm(norm, channels, norm_inference)

        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, padding=3, padding_mode="reflect", bias=bias),
            normed(width),
            nn.ReLU(),
        )
        self.down = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias), normed(2 * c), nn.ReLU())
                for c in (width, 2 * width)
            )
        )
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(4 * width, norm=norm, norm_inference=norm_inference, bias=bias, dropout=dropout)
                for _ in range(blocks)
            )
        )
        self.up = nn.Sequential(
            *(
                nn.Sequential(
                    nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1, bias=bias),
                    normed(c),
                    nn.ReLU(),
                )
                for c in (2 * width, width)
            )
        )
        self.head = nn.Conv2d(width, out_channels, 7, padding=3, padding_mode="reflect")
        self.activation_checkpointing = activation_checkpointing
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.size_multiple = 4
        self.smallest_side = 8  # reflection needs more than one pixel at a quarter of the resolution

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) float in [-1, 1] -> (N, out_channels, H, W) float in [-1, 1].

        Raises:
            UserError: if H or W is no multiple of ``size_multiple`` = 4.
        """
        height, width = x.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise UserError(
                f"the input is {height}x{width} (height x width); the residual generator takes multiples of 4: "
                f"crop or pad the images"
            )
        for block in (self.stem, *self.down, *self.blocks, *self.up):
            x = checkpointed(block, block, x) if self.activation_checkpointing else block(x)
        return torch.tanh(self.head(x))

    def sample(self, x: Tensor, seed: int) -> Tensor:
        """As ``forward``, with dropout drawn from ``seed``."""
        return sample_with_dropout(self, x, seed)
