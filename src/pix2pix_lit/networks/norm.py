"""Normalisation layers, and how they behave once training is over."""

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.errors import UserError

Norm = Literal["batch", "instance", "none"]
InferenceStatistics = Literal["per_image", "running"]


class BatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that, in eval mode, can keep using statistics of the images themselves.

    Isola et al. 2017, section 3.4: at test time "we apply batch normalization using the statistics of the test
    batch", with batch size 1. Taken per image instead of per batch this is InstanceNorm with BatchNorm's learnt
    scale and shift, so the result for an image does not depend on its neighbours in the batch.

    Args:
        channels: number of channels C of the (N, C, H, W) input.
        inference: what eval mode normalises with: ``per_image`` statistics, or the ``running`` averages.
    """

    def __init__(self, channels: int, inference: InferenceStatistics = "per_image") -> None:
        super().__init__(channels)
        self.inference = inference

    def forward(self, input: Tensor) -> Tensor:
        if self.training or self.inference == "running":
            return super().forward(input)
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


def make_norm(kind: Norm, channels: int, inference: InferenceStatistics = "per_image") -> nn.Module:
    """The layer called ``kind`` for (N, ``channels``, H, W) inputs.

    ``batch`` learns a scale and a shift, ``instance`` learns none (as the reference implementation), ``none`` is
    the identity. ``inference`` is what BatchNorm does in eval mode and means nothing to the others.

    Raises:
        UserError: for an unknown ``kind`` or ``inference``.
    """
    if inference not in get_args(InferenceStatistics):
        raise UserError(f"norm_inference is {inference!r}; expected one of {get_args(InferenceStatistics)}")
    match kind:
        case "batch":
            return BatchNorm2d(channels, inference)
        case "instance":
            return nn.InstanceNorm2d(channels)
        case "none":
            return nn.Identity()
    raise UserError(f"norm is {kind!r}; expected one of {get_args(Norm)}")
