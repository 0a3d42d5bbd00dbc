"""4x4 convolutions of stride 2, down and up, with a faster path for small maps on CPUs."""

import torch.nn.functional as F
from torch import Tensor, nn

MOST_POSITIONS = 256
"""Output positions up to which reading weights dominates, and one matrix product is faster (benchmarks/README.md)."""


class DownConvolution(nn.Conv2d):
    """4x4, stride 2, padding 1: (N, C, H, W) -> (N, C', H/2, W/2), as ``Conv2d``, but faster on small maps.

    Args:
        in_channels: C.
        out_channels: C'.
        bias: whether to add one.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if not _is_faster_as_product(self, x, positions=x.numel() // x.shape[1] // 4):
            return super().forward(x)
        patches = F.unfold(x, 4, padding=1, stride=2).unflatten(1, (-1, 16))  # (N, C, 16, H/2 * W/2)
        result = F.linear(patches.transpose(1, 3).flatten(2), _as_matrix(self.weight), self.bias)
        return result.transpose(1, 2).unflatten(2, (x.shape[2] // 2, -1))


class UpConvolution(nn.ConvTranspose2d):
    """4x4, stride 2, padding 1: (N, C, H, W) -> (N, C', 2H, 2W), as
    ``ConvTranspose2d``, but faster on small maps.

    Args:
        in_channels: C.
        out_channels: C'.
        bias: whether to add one.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not _is_faster_as_product(self, x, positions=x.numel() // x.shape[1]):
            return super().forward(x, output_size)
        patches = x.flatten(2).transpose(1, 2) @ _as_matrix(self.weight)  # (N, H * W, 16 * C')
        columns = patches.unflatten(2, (16, -1)).transpose(1, 3).flatten(1, 2)  # (N, C' * 16, H * W)
        result = F.fold(columns, (2 * x.shape[2], 2 * x.shape[3]), 4, padding=1, stride=2)
        return result if self.bias is None else result + self.bias.view(-1, 1, 1)


def _is_faster_as_product(layer: nn.Module, x: Tensor, positions: int) -> bool:
    return layer.training and x.device.type == "cpu" and positions <= MOST_POSITIONS


def _as_matrix(weight: Tensor) -> Tensor:
    """(A, B, 4, 4) -> (A, 16 * B), which with channels last in memory copies nothing."""
    return weight.permute(0, 2, 3, 1).flatten(1)
