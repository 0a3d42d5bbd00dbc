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
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from pix2pix_lit.errors import UserError

_INSTALLED = Path(__file__).parent / "configs"
CONFIG_DIR = str(_INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs")
"""The folder of the Hydra configs: inside the installed package, or the checkout's own."""

PATH_KEYS = (
    "ckpt",
    "ckpt_path",
    "input",
    "output",
    "archive_file",
    "data.root",
    "data.train_split",
    "data.val_split",
    "data.cache_dir",
    "data.source.folder",
    "data.source.a_folder",
    "data.source.b_folder",
    "data.source.a_pattern",
    "data.source.b_pattern",
    "data.source.a_column",
    "data.source.b_column",
    "data.source.split_column",
    "data.source.name",
    "data.source.config_name",
    "data.source.revision",
    "data.source.divided_split",
)
"""Keys whose values are file names, patterns, folders or columns of tables."""

_PATH_OVERRIDE = re.compile(rf"(\+{{0,2}}(?:{'|'.join(map(re.escape, PATH_KEYS))})=)(.+)", re.DOTALL)


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a function of a composed config a command-line program.

    Args:
        config_name: the primary config in ``configs/``, without ``.yaml``.

    Returns:
        A decorator; the result parses ``sys.argv`` by Hydra's rules, but for the values of ``PATH_KEYS``. A
        ``UserError``, or a value that a class refuses, ends it with a message alone and exit status 1; within a
        sweep it fails that one job. ``HYDRA_FULL_ERROR=1`` shows the whole trace.
    """

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def guarded(config: DictConfig) -> Any:
            try:
                return run(config)
            except Exception as error:
                message = _message_for_user(error)
                if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise UserError(message) from None
                raise SystemExit(f"error: {message}") from None

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
    return key + quote(os.path.expanduser(value))  # few shells expand ~ behind a "="


def quote(value: str) -> str:
    """``value`` as a string in Hydra's override grammar that means just itself."""
    # Within quotes, Hydra wants backslashes doubled before a quote; OmegaConf reads ${ as an interpolation.
    value = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    value = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), value)
    return f"'{value}'"


def _message_for_user(error: BaseException) -> str | None:
    """What to tell about an error that bad input caused; None if it is a defect of ours."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in causes:
        if isinstance(cause, UserError):
            return str(cause)
    # Hydra names the class and the key whose values did not fit; Lightning's exception is known by its name, so that
    # it need not be imported.
    if isinstance(error, InstantiationException) and isinstance(
        causes[-1], TypeError | ValueError | ImportError | UserWarning
    ):
        return str(error)
    if isinstance(error, MissingMandatoryValue):
        key = str(error.full_key or error.key)
        return f"{key} is not set, and has no default; expected a value: add {key}=VALUE"
    if any(type(cause).__name__ == "MisconfigurationException" for cause in causes):
        return str(causes[-1])
    return None
