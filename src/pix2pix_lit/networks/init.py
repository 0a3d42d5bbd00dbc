"""Initial weights."""

from typing import Literal, get_args

from torch import nn

from pix2pix_lit.errors import UserError

Initialization = Literal["normal", "xavier", "kaiming", "orthogonal"]


def initialize(network: nn.Module, kind: Initialization = "normal", gain: float = 0.02) -> None:
    """Draw the weights of every convolution, linear and norm layer of ``network`` in place; biases become 0.

    Args:
        network: the module to initialise.
        kind: ``normal`` is N(0, gain) (Isola et al. 2017, section 6.2), ``xavier`` and ``orthogonal`` scale by
            ``gain``, ``kaiming`` is for a ReLU fan-in and has no gain.
        gain: standard deviation (``normal``) or factor. Norm scales are drawn from N(1, ``gain``) for every kind,
            as in the reference implementation.

    Raises:
        UserError: for an unknown ``kind``.
    """
    if kind not in get_args(Initialization):
        raise UserError(f"init.kind is {kind!r}; expected one of {get_args(Initialization)}")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            match kind:
                case "normal":
                    nn.init.normal_(module.weight, 0.0, gain)
                case "xavier":
                    nn.init.xavier_normal_(module.weight, gain)
                case "kaiming":
                    nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in")
                case "orthogonal":
                    nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
