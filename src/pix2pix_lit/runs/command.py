"""Turns a function of a composed config into a command: arguments checked first, errors without a stack trace."""

import functools
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit import __version__
from pix2pix_lit.checks import check_config
from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.hydra import argument_parser, known_mode
from pix2pix_lit.runs.command_help import help_text, usage
from pix2pix_lit.runs.configs import CONFIG_DIR, USER_CONFIG_DIR, compose_config, nodes
from pix2pix_lit.runs.error_messages import message_for_user
from pix2pix_lit.runs.folder import run_folder
from pix2pix_lit.runs.overrides import Compose, chosen_options, composed
from pix2pix_lit.runs.quoting import quote, unquoted, with_text_quoted
from pix2pix_lit.runs.rank import is_first_rank, world_size_from_outside
from pix2pix_lit.runs.rank_process import RankFailure, follow_first_rank, is_consequence, report_to_first_rank
from pix2pix_lit.runs.requirements import refuse_missing_packages
from pix2pix_lit.runs.stopping import STOPPING, RunStopped, end_soon, stoppable
from pix2pix_lit.runs.terminal import prepare_log_files, prepare_streams

log = logging.getLogger(__name__)


class JobError(UserError, CompactHydraException):
    """A ``UserError`` of a sweep or of one of its jobs, which Hydra too prints without a stack trace."""


def command(
    config_name: str, kinds: type | None = None, required: Sequence[str] = ()
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn a function of a composed config into a command-line program.

    Args:
        config_name: the primary config in ``configs/``, without ``.yaml``.
        kinds: a class whose annotations are the types of the config's own keys.
        required: keys that need a value, and groups whose keys all need one; checked before the function is called.

    Returns:
        A decorator. The decorated function parses ``sys.argv`` by Hydra's rules, except that file names and free text
        are taken as typed. A ``UserError``, or a value that a class rejects, ends the program with just a message and
        exit status 1; within a sweep it fails only that job. ``HYDRA_FULL_ERROR=1`` shows the full trace. When several
        processes share a run, only the first one creates folders and logs.
    """

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def guarded(config: DictConfig) -> Any:
            prepare_log_files()
            if not is_first_rank():
                logging.disable()  # for ranks that a launcher such as submitit starts without main()
            try:
                with stoppable():  # also for jobs that a launcher such as joblib runs without main()
                    return run(config)
            except Exception as error:
                message = message_for_user(error)
                is_defect = message is None or os.environ.get("HYDRA_FULL_ERROR") == "1"
                trace = "".join(traceback.format_exception(error)) if is_defect else ""
                failure = RankFailure(message or f"{type(error).__name__}: {error}", trace, is_consequence(error))
                if report_to_first_rank(failure):  # which prints it once
                    raise SystemExit(1) from None
                if message is None or is_defect:
                    raise
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    log.error("error: %s", message)
                    raise JobError(  # which Hydra prints when the other jobs have ended
                        f"error: job {HydraConfig.get().job.num} failed; its message is above, and in the table below"
                    ) from None
                raise SystemExit(f"error: {message}") from None

        program = hydra.main(version_base="1.3", config_path=CONFIG_DIR, config_name=config_name)(guarded)

        def start() -> None:
            follow_first_rank()
            prepare_streams()
            try:
                if _answer(config_name, sys.argv[1:]):
                    return
                refuse_missing_packages(sys.argv[1:])
                if (USER_CONFIG_DIR / "local").is_dir() and not any("hydra.searchpath" in word for word in sys.argv):
                    # Behind the last override: argparse takes them only in one piece, before or after options.
                    overrides = (n for n, word in enumerate(sys.argv) if "=" in word and not word.startswith("-"))
                    place = 1 + max(overrides, default=len(sys.argv))
                    sys.argv.insert(place, f"hydra.searchpath=[{quote(f'file://{USER_CONFIG_DIR}')}]")
                compose = functools.cache(compose_config)
                sys.argv[1:] = _with_text_quoted(config_name, kinds, sys.argv[1:], compose)
                config = _checked(config_name, kinds, required, sys.argv[1:], compose)
                _refuse_what_cannot_start(sys.argv[1:])
            except UserError as error:
                raise SystemExit(f"error: {error}") from None
            if not is_first_rank():
                sys.argv += ["hydra.output_subdir=null", "hydra/job_logging=none"]
            with nullcontext() if config is None else known_mode(config.hydra.mode):
                program()

        @functools.wraps(run)
        def main() -> None:
            try:
                with stoppable():
                    start()
            except RunStopped as stop:
                for number in STOPPING:  # cleanup is done: a second signal ends the process without a trace
                    signal.signal(number, signal.SIG_DFL)
                end_soon(stop.signal)  # even if threads or libraries are still waiting for something
                raise

        return main

    return decorate


def _answer(config_name: str, arguments: list[str]) -> bool:
    """Answer --help and --version; False if neither is among the arguments."""
    if "--version" in arguments:
        print(f"pix2pix-lit {__version__} (torch {version('torch')}, lightning {version('lightning')})")
        return True
    if {"--help", "-h"} & {*arguments}:
        topics = [argument for argument in arguments if not argument.startswith("-")]
        print(help_text(Path(CONFIG_DIR), config_name, topics))
        return True
    return False


def _with_text_quoted(config_name: str, kinds: type | None, arguments: list[str], compose: Compose) -> list[str]:
    words = [word for word in arguments if "=" in word and not word.startswith("-")]
    has_own_configs = any(word.startswith(("-c", "--config-")) for word in arguments)

    def defaults() -> dict[str, Any]:
        try:
            return chosen_options(CONFIG_DIR, config_name, words, compose)
        except UserError:
            if has_own_configs:  # which Hydra knows how to find
                return {}
            raise

    quoted = with_text_quoted(words, kinds, defaults, is_sweep=bool({"-m", "--multirun"} & {*arguments}))
    as_quoted = dict(zip(words, quoted, strict=True))
    return [as_quoted.get(argument, argument) for argument in arguments]


def _checked(
    config_name: str, kinds: type | None, required: Sequence[str], arguments: list[str], compose: Compose
) -> DictConfig | None:
    """Reject invalid arguments before Hydra creates a folder or torch is imported.

    Returns:
        The config, of a sweep with the first value of each key; None where only Hydra can compose it.
    """
    command_usage = usage(Path(CONFIG_DIR), config_name)
    parser = argument_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; expected: {command_usage}")

    parser.error = refuse  # type: ignore[method-assign]
    options = parser.parse_args(arguments)
    if options.hydra_help or options.info or options.shell_completion or options.experimental_rerun:
        return None
    if options.config_path or options.config_name or options.config_dir:
        return None  # somebody's own configs, which Hydra knows how to find
    config = composed(CONFIG_DIR, config_name, options.overrides, command_usage, compose)
    if options.cfg is None:
        refuse_missing(config, required, command_usage)
        check_config(config, kinds)
    return config


def refuse_missing(config: DictConfig, required: Sequence[str], command_usage: str) -> None:
    """Raise a ``UserError`` for the first required key that has no value."""
    for name, value in nodes(config):
        is_unset = name in required and value in (None, "")
        if is_unset or (value == "???" and name.partition(".")[0] in required):
            raise UserError(f"{name} is not set; expected a value, {name}=VALUE, as in: {command_usage}")


def _run_folder(name: str, ckpt_path: str | None) -> str:
    # Hydra resolves it before it calls the function that reports errors.
    try:
        return run_folder(name, ckpt_path)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


OmegaConf.register_new_resolver("run_folder", _run_folder)


def _refuse_what_cannot_start(arguments: list[str]) -> None:
    is_sweep = bool({"-m", "--multirun"} & {*arguments})
    for argument in arguments:
        group, _, options = argument.lstrip("+").partition("=")
        is_sweep |= (group == "sweep" and options != "null") or (group == "hydra.mode" and options == "MULTIRUN")
        if group in ("hydra.run.dir", "hydra.sweep.dir") and "${" not in options:
            folder = Path(unquoted(options))
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SystemExit(
                    f"error: {folder} cannot be created ({error.strerror}); expected a folder: choose another with "
                    f"{group}=FOLDER"
                ) from None
    if world_size_from_outside() > 1 and is_sweep:
        raise SystemExit(
            f"error: {world_size_from_outside()} processes were started for a sweep, and each would run all of it; "
            f"expected one: leave out torchrun or srun, and set trainer.devices, or use sweep=slurm"
        )
