"""The private names of Hydra that this package uses."""

from hydra._internal.utils import get_args_parser as argument_parser

__all__ = ["argument_parser"]
