"""The U-Net generator (Isola et al. 2017, sections 3.2.1 and 6.1.1)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.layers.activation_checkpointing import checkpointed
from pix2pix_lit.networks.layers.convolution import DownConvolution, UpConvolution
from pix2pix_lit.networks.layers.dropout import sample_with_dropout
from pix2pix_lit.networks.layers.norm import InferenceStatistics, Norm, make_norm

Upsampling = Literal["transposed", "resize"]


class EncoderBlock(nn.Module):
    """LeakyReLU (except on the image itself), 4x4 stride-2 convolution, norm: (N, C, H, W) -> (N, C', H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int, *, activate: bool, norm: nn.Module, bias: bool) -> None:
        super().__init__()
        self.activation = nn.LeakyReLU(0.2) if activate else nn.Identity()
        self.conv = DownConvolution(in_channels, out_channels, bias)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.activation(x)))


class DecoderBlock(nn.Module):
    """ReLU, doubling of the resolution, norm, dropout: (N, C, H, W), or several of them -> (N, C', 2H, 2W)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        upsampling: Upsampling,
        norm: nn.Module,
        bias: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.upsample: nn.Module
        self.conv: nn.Module
        if upsampling == "transposed":
            self.upsample = nn.Identity()
            self.conv = UpConvolution(in_channels, out_channels, bias)
        elif upsampling == "resize":  # Odena et al. 2016, "Deconvolution and checkerboard artifacts"
            self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
            self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=bias)
        else:
            raise UserError(f"upsampling is {upsampling!r}; expected 'transposed' or 'resize'")
        self.norm = norm
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, *inputs: Tensor) -> Tensor:
        # Activated before concatenation: BatchNorm's backward is slow on slices of concatenated channels.
        x = torch.cat([self.activation(input) for input in inputs], dim=1)
        return self.dropout(self.norm(self.conv(self.upsample(x))))


class UNetGenerator(nn.Module):
    """Encoder C64-C128-C256-C512-C512-C512-C512-C512, a decoder that mirrors it, skips between equal sizes, tanh.

    ``encoder[i]`` works at 1/2^(i+1) of the input's resolution. ``decoder[0]`` is the innermost block; decoder
    block j > 0 reads the block before it concatenated with the encoder's output of the same size.

    Args:
        in_channels: channels of the image to translate.
        out_channels: channels of the image to generate.
        width: channels after the first convolution; they double per level up to ``8 * width``.
        depth: number of levels: 8 is the paper's network for 256x256 images ("unet256"), 7 is "unet128". Sides of
            an input must be multiples of 2^depth (``size_multiple``).
        norm: ``batch``, ``instance`` or ``none``; none is used on the first, the innermost and the last
            convolution (section 6.1.1 and its erratum: a 1x1 bottleneck would be normalised away).
        norm_inference: what BatchNorm does in eval mode, ``per_image`` or ``running``; see ``norm.BatchNorm2d``.
        dropout: probability of the dropout that is the paper's only noise; active in train mode and in ``sample``.
        dropout_blocks: decoder blocks that have it, 0 the innermost. The paper's are 0, 1, 2; the PyTorch
            reference implementation has it on 1, 2, 3.
        upsampling: ``transposed`` convolution, or ``resize`` (nearest) and a 3x3 convolution against
            checkerboard patterns.
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
        depth: int = 8,
        norm: Norm = "batch",
        norm_inference: InferenceStatistics = "per_image",
        dropout: float = 0.5,
        dropout_blocks: Sequence[int] = (0, 1, 2),
        upsampling: Upsampling = "transposed",
        bias_before_norm: bool = False,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise UserError(f"depth is {depth}; a U-Net needs at least 2 levels")
        if any(not 0 <= block < depth - 1 for block in dropout_blocks):
            raise UserError(
                f"dropout_blocks is {list(dropout_blocks)}; a U-Net of depth {depth} has dropout only on its "
                f"decoder blocks 0 to {depth - 2}"
            )
        if not 0 <= dropout <= 1:
            raise UserError(f"dropout is {dropout}; expected a probability from 0 to 1")
        channels = [min(width * 2**level, width * 8) for level in range(depth)]
        # A convolution before a norm needs no bias. The reference has none on the un-normalised ones either when
        # the norm is BatchNorm; we do the same: parameter counts and its weight files agree with ours.
        plain_bias = norm != "batch"
        normed_bias = norm == "none" or bias_before_norm

        self.encoder = nn.ModuleList()
        for level in range(depth):
            is_normed = 0 < level < depth - 1
            self.encoder.append(
                EncoderBlock(
                    channels[level - 1] if level else in_channels,
                    channels[level],
                    activate=level > 0,
                    norm=make_norm(norm if is_normed else "none", channels[level], norm_inference),
                    bias=normed_bias if is_normed else plain_bias,
                )
            )
        self.decoder = nn.ModuleList()
        for block in range(depth):
            is_last = block == depth - 1
            out = out_channels if is_last else channels[depth - 2 - block]
            self.decoder.append(
                DecoderBlock(
                    channels[depth - 1 - block] * (2 if block else 1),
                    out,
                    upsampling=upsampling,
                    norm=make_norm("none" if is_last else norm, out, norm_inference),
                    bias=is_last or normed_bias,
                    dropout=dropout if block in dropout_blocks else 0.0,
                )
            )
        self.activation_checkpointing = activation_checkpointing
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.size_multiple = 2**depth
        self.smallest_side = 2**depth

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) float in [-1, 1] -> (N, out_channels, H, W) float in [-1, 1].

        Raises:
            UserError: if H or W is no multiple of ``size_multiple``.
        """
        height, width = x.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise UserError(
                f"the input is {height}x{width} (height x width); this U-Net of depth {len(self.encoder)} takes "
                f"multiples of {self.size_multiple}: crop or pad the images, or choose a smaller depth"
            )
        skips = []
        for block in self.encoder:
            x = self._run(block, x)
            skips.append(x)
        x = self._run(self.decoder[0], skips.pop())
        for block in self.decoder[1:]:
            x = self._run(block, skips.pop(), x)
        return torch.tanh(x)

    def sample(self, x: Tensor, seed: int) -> Tensor:
        """As ``forward``, with dropout drawn from ``seed``."""
        return sample_with_dropout(self, x, seed)

    def _run(self, block: nn.Module, *inputs: Tensor) -> Tensor:
        return checkpointed(block, block, *inputs) if self.activation_checkpointing else block(*inputs)
