"""Weights that are not trained, and the moving average of the generator's."""

import fnmatch
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pix2pix_lit.errors import UserError, first_few


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Take the parameters that any of these patterns names out of training.

    Args:
        model: whose parameters.
        patterns: of their names, with ``*`` for any characters, such as ``generator.encoder.*``.

    Raises:
        UserError: for a pattern that is no parameter's name.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        found = set(fnmatch.filter(names, pattern))
        if not found:
            raise UserError(
                f"model.freeze has {pattern!r}, which is no parameter's name; expected patterns such as "
                f"'generator.encoder.*' (the first names: {first_few(names)})"
            )
        for name, parameter in model.named_parameters():
            if name in found:
                parameter.requires_grad_(False)


@torch.no_grad()
def update_moving_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move an average of weights one step (Karras et al. 2018, section 4.1 and appendix C); buffers are copied.

    Args:
        average: a copy of ``network`` that holds the average.
        network: what was just trained.
        decay: share of the old average that stays, below 1. In the first steps (1 + step) / (10 + step) if that is
            less, as in TensorFlow's ``ExponentialMovingAverage``, so that initial weights are soon forgotten.
        step: number of updates before this one.
    """
    decay = min(decay, (1 + step) / (10 + step))
    update = get_ema_multi_avg_fn(decay)
    update(list(average.parameters()), [weight.detach() for weight in network.parameters()], None)
    for theirs, own in zip(average.buffers(), network.buffers(), strict=True):
        theirs.copy_(own)
