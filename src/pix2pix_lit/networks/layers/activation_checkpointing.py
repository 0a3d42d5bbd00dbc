"""Activation checkpointing (Chen et al. 2016): less memory, about a third more arithmetic, the same numbers."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pix2pix_lit.networks.layers.norm import frozen_running_statistics


def checkpointed(block: nn.Module, run: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``run(*inputs)``, storing only the inputs for the backward pass, which runs it again.

    The second run has the same dropout, and BatchNorm normalises the same parts of the batch without updating its
    running statistics twice. Without gradients, or in eval mode, it is a plain call.

    Args:
        block: the layers that ``run`` uses.
        run: tensors -> tensor. Must not change any state except that of dropout and BatchNorm.
        inputs: its arguments.
    """
    if not (block.training and torch.is_grad_enabled()):
        return run(*inputs)
    if torch.compiler.is_compiling():  # recomputes values only, without updating statistics, and takes no contexts
        return checkpoint(run, *inputs, use_reentrant=False)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), frozen_running_statistics(block)  # created during the first run, so with its parts

    return checkpoint(run, *inputs, use_reentrant=False, context_fn=contexts)
