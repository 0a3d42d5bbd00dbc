"""Normalisation layers: which images their statistics are of, in training and at inference."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Literal

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.checks import check_choice
from pix2pix_lit.distributed import world_size

Norm = Literal["batch", "instance", "none"]
InferenceStatistics = Literal["per_image", "running"]

_LARGE = 32 * 32
"""Pixels per map from which group_norm, one group per channel, is faster (benchmarks/README.md)."""


class BatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that can use the statistics of the image itself in eval mode.

    Isola et al. 2017, section 3.4: at test time "we apply batch normalization using the statistics of the test
    batch", with batch size 1. Per image instead of per batch, this is InstanceNorm with BatchNorm's learnt scale and
    shift, and the result for an image does not depend on the rest of its batch.

    In training it is plain BatchNorm, unless changed by ``statistics_of_parts``, ``frozen_running_statistics`` or
    ``synchronise_statistics``.

    Args:
        channels: number of channels C of the (N, C, H, W) input.
        inference: what eval mode normalises with: ``per_image`` statistics, or the ``running`` averages.
    """

    def __init__(self, channels: int, inference: InferenceStatistics = "per_image") -> None:
        super().__init__(channels)
        self.inference = inference
        self.parts = 1
        self.updates_running_statistics = True
        self.is_synchronised = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            if self.inference == "running":
                return super().forward(input)
            return _normalise_each_image(input, self.weight, self.bias, self.eps)
        if self.is_synchronised and world_size() > 1:
            return self._normalise_over_processes(input)
        if self.parts == 1:
            return self._normalise(input)
        return torch.cat([self._normalise(part) for part in input.unflatten(0, (self.parts, -1))])

    def _normalise(self, input: Tensor) -> Tensor:
        if self.updates_running_statistics:
            return super().forward(input)
        # Updates copies, which are dropped. Passing None would save other tensors for the backward pass than the usual
        # call does, which torch.utils.checkpoint refuses.
        mean, variance = (None if kept is None else kept.clone() for kept in (self.running_mean, self.running_var))
        return F.batch_norm(input, mean, variance, self.weight, self.bias, training=True, eps=self.eps)

    def _normalise_over_processes(self, input: Tensor) -> Tensor:
        """Two passes, mean and then variance: E[x^2] - E[x]^2 would cancel in float32."""
        x = input.unflatten(0, (self.parts, -1)).float()  # (parts, N / parts, C, H, W)
        mean = _mean_over_processes(x.mean((1, 3, 4), keepdim=True))
        centred = x - mean
        variance = _mean_over_processes(centred.square().mean((1, 3, 4), keepdim=True))
        if self.updates_running_statistics:
            count = world_size() * x[0].numel() // x.shape[2]
            self._update_running_statistics(mean.flatten(1), variance.flatten(1) * (count / (count - 1)))
        scale, shift = (parameter.float().view(-1, 1, 1) for parameter in (self.weight, self.bias))
        normalised = centred * torch.rsqrt(variance + self.eps) * scale + shift
        return normalised.flatten(0, 1).to(input.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, means: Tensor, variances: Tensor) -> None:
        """(parts, C) each, unbiased variances; part after part."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        for mean, variance in zip(means, variances, strict=True):
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
            self.num_batches_tracked.add_(1)


class InstanceNorm2d(nn.InstanceNorm2d):
    """``nn.InstanceNorm2d``, faster in eval mode on CPUs."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if self.training else _normalise_each_image(input, None, None, self.eps)


def _normalise_each_image(input: Tensor, scale: Tensor | None, shift: Tensor | None, epsilon: float) -> Tensor:
    """Normalise every channel of every image by its own mean and variance.

    Large maps on CPUs use ``group_norm``: ``instance_norm`` converts channels_last to contiguous memory, which takes
    several times as long as the norm itself.
    """
    is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # for any size and device
    if not is_traced and input.device.type == "cpu" and input.shape[2] * input.shape[3] >= _LARGE:
        # It computes variances as E[x^2] - E[x]^2, which cancels in float32 where the mean is large.
        means = input.permute(0, 2, 3, 1).flatten(1, 2).mean(1)
        return F.group_norm(input - means[..., None, None], input.shape[1], scale, shift, epsilon)
    return F.instance_norm(input, weight=scale, bias=shift, eps=epsilon)


class _Settings(AbstractContextManager[None]):
    """Training behaviour of BatchNorm layers within the context; can be entered repeatedly."""

    def __init__(self, settings: list[tuple[BatchNorm2d, int, bool]]) -> None:
        self.settings = settings
        self.before: list[tuple[BatchNorm2d, int, bool]] = []

    def __enter__(self) -> None:
        self.before = [(layer, layer.parts, layer.updates_running_statistics) for layer, *_ in self.settings]
        self._set(self.settings)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set(self.before)

    @staticmethod
    def _set(settings: list[tuple[BatchNorm2d, int, bool]]) -> None:
        for layer, parts, updates in settings:
            layer.parts, layer.updates_running_statistics = parts, updates


def statistics_of_parts(network: nn.Module, parts: int) -> AbstractContextManager[None]:
    """Within: BatchNorm in training mode treats a batch as ``parts`` equal batches, one after the other.

    Fakes and reals then share one pass and are still normalised separately, as in the reference implementation.
    Outputs, gradients and running statistics are those of separate passes.

    Args:
        network: its ``BatchNorm2d`` layers are affected.
        parts: must divide the batch size, or the pass raises a RuntimeError.
    """
    return _Settings([(layer, parts, layer.updates_running_statistics) for layer in _batch_norms(network)])


def frozen_running_statistics(network: nn.Module) -> AbstractContextManager[None]:
    """Within: training-mode passes do not update the running statistics of ``BatchNorm2d`` layers."""
    return _Settings([(layer, layer.parts, False) for layer in _batch_norms(network)])


def synchronise_statistics(network: nn.Module) -> None:
    """Make ``BatchNorm2d`` layers take their training statistics over all processes, from now on.

    If gradients of parameters are averaged over processes, training then equals that of one process with the combined
    batch. All processes must pass batches of the same shape together. Works on every device that
    ``torch.distributed`` supports, CPUs too; changes nothing for a single process.
    """
    for layer in _batch_norms(network):
        layer.is_synchronised = True


def make_norm(kind: Norm, channels: int, inference: InferenceStatistics = "per_image") -> nn.Module:
    """The layer called ``kind`` for (N, ``channels``, H, W) inputs.

    ``batch`` learns a scale and a shift, ``instance`` learns none (as the reference implementation), ``none`` is
    the identity. ``inference`` is BatchNorm's behaviour in eval mode; the others ignore it.

    Raises:
        UserError: for an unknown ``kind`` or ``inference``.
    """
    check_choice("norm", kind, Norm)
    check_choice("norm_inference", inference, InferenceStatistics)
    match kind:
        case "batch":
            return BatchNorm2d(channels, inference)
        case "instance":
            return InstanceNorm2d(channels)
        case "none":
            return nn.Identity()


def _batch_norms(network: nn.Module) -> list[BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, BatchNorm2d)]


class _SumOverProcesses(torch.autograd.Function):
    """Sum over processes, for all of them; the gradient of a summand is the sum of all processes' gradients.

    ``torch.distributed.nn.functional.all_reduce`` does the same, but is deprecated without a public successor.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _SumOverProcesses.apply(gradient)


def _mean_over_processes(tensor: Tensor) -> Tensor:
    return _SumOverProcesses.apply(tensor) / world_size()
