"""What this package reaches for inside Hydra."""

from hydra._internal.utils import get_args_parser as argument_parser

__all__ = ["argument_parser"]
