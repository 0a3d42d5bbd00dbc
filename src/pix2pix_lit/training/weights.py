"""Frozen parameters, and the moving average of the generator's weights."""

import fnmatch
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pix2pix_lit.errors import UserError, first_few


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Exclude the parameters that match any of these patterns from training.

    Args:
        model: owner of the parameters.
        patterns: of their names, with ``*`` for any characters, such as ``generator.encoder.*``.

    Raises:
        UserError: for a pattern that matches no parameter.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        found = set(fnmatch.filter(names, pattern))
        if not found:
            raise UserError(
                f"model.freeze has {pattern!r}, which matches no parameter; expected patterns such as "
                f"'generator.encoder.*' (the first names: {first_few(names)})"
            )
        for name, parameter in model.named_parameters():
            if name in found:
                parameter.requires_grad_(False)


@torch.no_grad()
def update_moving_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Update a moving average of weights (Karras et al. 2018, section 4.1 and appendix C); buffers are copied.

    Args:
        average: a copy of ``network`` that holds the average.
        network: the network after its training step.
        decay: share of the old average that is kept, below 1. Limited to (1 + step) / (10 + step), as in TensorFlow's
            ``ExponentialMovingAverage``: the initial weights are soon forgotten.
        step: number of updates before this one.
    """
    decay = min(decay, (1 + step) / (10 + step))
    update = get_ema_multi_avg_fn(decay)
    update(list(average.parameters()), [weight.detach() for weight in network.parameters()], None)
    for averaged, current in zip(average.buffers(), network.buffers(), strict=True):
        averaged.copy_(current)
