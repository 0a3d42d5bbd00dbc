"""Initial weights."""

from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from pix2pix_lit.checks import check_choice


@runtime_checkable
class Pretrained(Protocol):
    """A part of a network that may start from weights of another training."""

    def load_pretrained(self) -> None:
        """Replace all weights, if that is asked for."""
        ...


Initialization = Literal["normal", "xavier", "kaiming", "orthogonal"]


def initialize(network: nn.Module, kind: Initialization = "normal", gain: float = 0.02) -> None:
    """Draw the weights of every convolution, linear and norm layer of ``network`` in place; biases become 0.

    Parts with pretrained weights (a method ``load_pretrained``) get these instead.

    Args:
        network: the module to initialise.
        kind: ``normal`` is N(0, gain) (Isola et al. 2017, section 6.2), ``xavier`` and ``orthogonal`` scale by
            ``gain``, ``kaiming`` is He initialisation by fan-in for ReLU and has no gain.
        gain: standard deviation (``normal``) or factor. Norm scales are drawn from N(1, ``gain``) for every kind,
            as in the reference implementation.

    Raises:
        UserError: for an unknown ``kind``.
    """
    check_choice("init.kind", kind, Initialization)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = _learnt_weight(module)
            match kind:
                case "normal":
                    nn.init.normal_(weight, 0.0, gain)
                case "xavier":
                    nn.init.xavier_normal_(weight, gain)
                case "kaiming":
                    nn.init.kaiming_normal_(weight, a=0, mode="fan_in")
                case "orthogonal":
                    nn.init.orthogonal_(weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            _settle(module)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, Pretrained):
            module.load_pretrained()


def _learnt_weight(module: nn.Module) -> Tensor:
    """The parameter that ``weight`` is computed from, where a spectral norm does so."""
    if is_parametrized(module, "weight"):
        return module.parametrizations.weight.original  # type: ignore[union-attr, return-value]
    return module.weight  # type: ignore[return-value]


@torch.no_grad()
def _settle(module: nn.Module) -> None:
    """Converge a spectral norm to the new weight: every access to ``weight`` is one power iteration."""
    if is_parametrized(module, "weight"):
        for _ in range(15):  # as torch.nn.utils.parametrizations.spectral_norm does initially
            _ = module.weight
