"""Values averaged and gathered over training processes."""

from typing import Any

import torch.distributed
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
"""Layers that keep running statistics of what they normalise."""


def world_size() -> int:
    """Number of training processes."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 1
    return torch.distributed.get_world_size()


def average_over_processes(tensors: list[Tensor]) -> None:
    """Replace every float tensor by its mean over processes, in place; one message for all."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    flat /= world_size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def running_statistics(network: nn.Module) -> dict[str, Tensor]:
    """BatchNorm's running means and variances by their names in ``network.state_dict()``: the buffers themselves."""
    return {
        f"{name}.{statistic}": getattr(module, statistic)
        for name, module in network.named_modules()
        if isinstance(module, BATCH_NORMS) and module.track_running_stats
        for statistic in ("running_mean", "running_var")
    }


def gathered(value: Any) -> list[Any]:
    """The values of all processes by rank: plain values and tensors on the CPU."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    torch.distributed.all_gather_object(values, value)
    return values
