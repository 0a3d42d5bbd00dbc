"""Dropout as the source of noise at inference (Isola et al. 2017, section 3.2)."""

import torch
from torch import Tensor, nn

from pix2pix_lit.errors import UserError


def sample_with_dropout(network: nn.Module, x: Tensor, seed: int) -> Tensor:
    """``network(x)`` with its dropout layers active, drawn from ``seed``; everything else stays in its mode.

    Raises:
        UserError: for a network without dropout.
    """
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.p > 0]
    if not dropouts:
        raise UserError(
            "the generator has no dropout, so all samples would be equal; expected a model that was trained with "
            "model.generator.dropout above 0: leave samples at 0"
        )
    modes = [dropout.training for dropout in dropouts]
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            for dropout in dropouts:
                dropout.training = True
            return network(x)
        finally:
            for dropout, mode in zip(dropouts, modes, strict=True):
                dropout.training = mode
