"""What the commands share: where configs are, paths taken as the shell gave them, errors without a stack trace."""

import functools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pix2pix_lit.errors import UserError

_INSTALLED = Path(__file__).parent / "configs"
CONFIG_DIR = str(_INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs")
"""The folder of the Hydra configs: inside the installed package, or the checkout's own."""

PATH_KEYS = ("ckpt", "ckpt_path", "input", "output", "data.root")
"""Keys whose values are file names, patterns or folders."""

_PATH_OVERRIDE = re.compile(rf"(\+{{0,2}}(?:{'|'.join(map(re.escape, PATH_KEYS))})=)(.+)", re.DOTALL)


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a function of a composed config a command-line program.

    Args:
        config_name: the primary config in ``configs/``, without ``.yaml``.

    Returns:
        A decorator; the result parses ``sys.argv`` by Hydra's rules, but for the values of ``PATH_KEYS``. A
        ``UserError`` ends it with its message alone and exit status 1; within a sweep it fails that one job.
    """

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def guarded(config: DictConfig) -> Any:
            try:
                return run(config)
            except Exception as error:
                user_error = _user_error_behind(error)
                if user_error is None:
                    raise
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise user_error from None
                raise SystemExit(f"error: {user_error}") from None

        program = hydra.main(version_base="1.3", config_path=CONFIG_DIR, config_name=config_name)(guarded)

        @functools.wraps(run)
        def main() -> None:
            sys.argv[1:] = [quote_path(argument) for argument in sys.argv[1:]]
            program()

        return main

    return decorate


def quote_path(argument: str) -> str:
    """Quote the value of a path key for Hydra, whose grammar has no room for most file names.

    ``ckpt=~/runs/a,b (1)=x.ckpt`` means just that file; ``~`` is the home folder. ``null`` and values that are
    already in quotes are left to Hydra, as are all other arguments.
    """
    match = _PATH_OVERRIDE.fullmatch(argument)
    if match is None:
        return argument
    key, value = match.groups()
    if value == "null" or (len(value) > 1 and value[0] == value[-1] and value[0] in "'\""):
        return argument
    value = os.path.expanduser(value)  # few shells do that behind a "="
    # Within quotes, Hydra wants backslashes doubled before a quote; OmegaConf reads ${ as an interpolation.
    value = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    value = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), value)
    return f"{key}'{value}'"


def _user_error_behind(error: BaseException | None) -> UserError | None:
    """The ``UserError`` that ``error`` is or was raised from, such as Hydra's InstantiationException."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    return error
