"""What the commands share: where configs are, paths taken as the shell gave them, errors without a stack trace."""

import errno
import functools
import importlib.util
import logging
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from pix2pix_lit import __version__
from pix2pix_lit.checks import check_config
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.internals.hydra import argument_parser
from pix2pix_lit.runs.command_help import help_text, usage
from pix2pix_lit.runs.folder import run_folder
from pix2pix_lit.runs.messages import prepare_log_files, prepare_streams
from pix2pix_lit.runs.overrides import composed, nodes
from pix2pix_lit.runs.rank import is_first_rank, world_size_from_outside
from pix2pix_lit.runs.rank_process import LastWords, follow_first_rank, is_consequence, tell_first_rank
from pix2pix_lit.runs.stopping import STOPPING, RunStopped, end_soon, stoppable

log = logging.getLogger(__name__)

_INSTALLED = Path(__file__).parents[1] / "configs"
CONFIG_DIR = str(_INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "configs")
"""The folder of the Hydra configs: inside the installed package, or the checkout's own."""

PATH_KEYS = (
    "ckpt",
    "ckpt_path",
    "warm_start",
    "input",
    "output",
    "folder",
    "archive_file",
    "images",
    "naming",
    "license",
    "training_data",
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
"""Keys whose values are file names, patterns, folders, columns of tables, or plain text."""

EXTRAS = {
    "sweep=optuna": ("optuna", "sweep"),
    "sweep=joblib": ("hydra_plugins.hydra_joblib_launcher", "sweep"),
    "sweep=slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "logger=wandb": ("wandb", "wandb"),
    "logger=mlflow": ("mlflow", "mlflow"),
}
"""Options that need more than the package's own requirements: the module, and the extra that brings it."""


class JobError(UserError, CompactHydraException):
    """A ``UserError`` that Hydra, too, prints without a stack trace: of a job within a sweep, or of the sweep."""


_EXISTING_PATHS = ("ckpt", "ckpt_path", "warm_start", "input", "archive_file", "images", "data.root")
_PATH_OVERRIDE = re.compile(rf"(\+{{0,2}}(?:{'|'.join(map(re.escape, PATH_KEYS))})=)(.+)", re.DOTALL)


def command(
    config_name: str, kinds: type | None = None, required: Sequence[str] = ()
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a function of a composed config a command-line program.

    Args:
        config_name: the primary config in ``configs/``, without ``.yaml``.
        kinds: a class whose annotations are the types of the config's own keys.
        required: keys that need a value, and groups whose keys do; checked before the function is called.

    Returns:
        A decorator; the result parses ``sys.argv`` by Hydra's rules, but for the values of ``PATH_KEYS``. A
        ``UserError``, or a value that a class refuses, ends it with a message alone and exit status 1; within a
        sweep it fails that one job. ``HYDRA_FULL_ERROR=1`` shows the whole trace. Of several processes that share a
        run, only the first makes folders and log lines.
    """

    def decorate(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(run)
        def guarded(config: DictConfig) -> Any:
            prepare_log_files()
            if not is_first_rank():
                logging.disable()  # where a launcher such as submitit made the ranks, without main()
            try:
                with stoppable():  # also where a launcher such as joblib runs jobs, without main()
                    return run(config)
            except Exception as error:
                message = message_for_user(error)
                is_defect = message is None or os.environ.get("HYDRA_FULL_ERROR") == "1"
                trace = "".join(traceback.format_exception(error)) if is_defect else ""
                words = LastWords(message or f"{type(error).__name__}: {error}", trace, is_consequence(error))
                if tell_first_rank(words):  # which says it once for all
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
            given = sys.argv[1:]
            sys.argv[1:] = [quote_path(argument) for argument in given]
            _refuse_missing_packages(sys.argv[1:])
            try:
                _refuse_unquoted_choices(given)
                if _answer(config_name, sys.argv[1:]):
                    return
                _check_arguments(config_name, kinds, required, sys.argv[1:])
            except UserError as error:
                raise SystemExit(f"error: {error}") from None
            _refuse_what_cannot_start(sys.argv[1:])
            if not is_first_rank():
                sys.argv += ["hydra.output_subdir=null", "hydra/job_logging=none"]
            program()

        @functools.wraps(run)
        def main() -> None:
            try:
                with stoppable():
                    start()
            except RunStopped as stop:
                for number in STOPPING:  # nothing is left to do: a second signal ends it without a trace
                    signal.signal(number, signal.SIG_DFL)
                end_soon(stop.signal)  # whatever threads and libraries still wait for
                raise

        return main

    return decorate


def _answer(config_name: str, arguments: list[str]) -> bool:
    """Print what --help and --version ask for, if they are there."""
    if "--version" in arguments:
        print(f"pix2pix-lit {__version__} (torch {version('torch')}, lightning {version('lightning')})")
        return True
    if {"--help", "-h"} & {*arguments}:
        topics = [argument for argument in arguments if not argument.startswith("-")]
        print(help_text(Path(CONFIG_DIR), config_name, topics))
        return True
    return False


def _check_arguments(config_name: str, kinds: type | None, required: Sequence[str], arguments: list[str]) -> None:
    """Refuse before Hydra makes a folder, or torch is loaded, what could only fail."""
    command_usage = usage(Path(CONFIG_DIR), config_name)
    parser = argument_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; expected: {command_usage}")

    parser.error = refuse  # type: ignore[method-assign]
    options = parser.parse_args(arguments)
    if options.hydra_help or options.info or options.shell_completion or options.experimental_rerun:
        return
    if options.config_path or options.config_name or options.config_dir:
        return  # somebody's own configs, which Hydra knows how to find
    config = composed(CONFIG_DIR, config_name, options.overrides, command_usage)
    if options.cfg is None:
        refuse_missing(config, required, command_usage)
        check_config(config, kinds)


def refuse_missing(config: DictConfig, required: Sequence[str], command_usage: str) -> None:
    """Raise a ``UserError`` for the first required key that has no value."""
    for name, value in nodes(config):
        is_unset = name in required and value in (None, "")
        if is_unset or (value == "???" and name.partition(".")[0] in required):
            raise UserError(f"{name} is not set; expected a value, {name}=VALUE, as in: {command_usage}")


def _run_folder(name: str, ckpt_path: str | None) -> str:
    # Asked for by Hydra before the function that reports errors is called.
    try:
        return run_folder(name, ckpt_path)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


OmegaConf.register_new_resolver("run_folder", _run_folder)


def _refuse_unquoted_choices(arguments: list[str]) -> None:
    """In a sweep, ``data.root=a,b`` is the one path "a,b", which is hardly meant where there is none."""
    if not {"-m", "--multirun"} & {*arguments}:
        return
    for argument in arguments:
        match = _PATH_OVERRIDE.fullmatch(argument)
        is_path = match is not None and match[1].strip("+=") in _EXISTING_PATHS
        if match is None or not is_path or "," not in match[2] or quote_path(argument) == argument:
            continue
        paths = match[2].split(",")
        if not os.path.lexists(os.path.expanduser(match[2])):
            choices = ",".join(quote(os.path.expanduser(path)) for path in paths)
            raise UserError(
                f"{argument} means one value, {match[2]!r}, which is not there; expected for a sweep over {len(paths)} "
                f"values each in quotes of its own: {shlex.quote(match[1] + choices)}"
            )


def _refuse_missing_packages(arguments: list[str]) -> None:
    for argument in arguments:
        group, _, options = argument.lstrip("+").partition("=")
        for option in options.strip("[]").split(","):
            module, extra = EXTRAS.get(f"{group}={option}", ("sys", ""))
            if not _is_installed(module):
                raise SystemExit(
                    f"error: {group}={option} needs the module {module}, which is not installed; "
                    f'expected the extra packages: pip install "pix2pix-lit[{extra}]"'
                )


def _refuse_what_cannot_start(arguments: list[str]) -> None:
    is_sweep = bool({"-m", "--multirun"} & {*arguments})
    for argument in arguments:
        group, _, options = argument.lstrip("+").partition("=")
        is_sweep |= (group == "sweep" and options != "null") or (group == "hydra.mode" and options == "MULTIRUN")
        if group in ("hydra.run.dir", "hydra.sweep.dir") and "${" not in options:
            folder = Path(options.strip("'\""))
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SystemExit(
                    f"error: {folder} cannot be made ({error.strerror}); expected a folder: choose another with "
                    f"{group}=FOLDER"
                ) from None
    if world_size_from_outside() > 1 and is_sweep:
        raise SystemExit(
            f"error: {world_size_from_outside()} processes were started for a sweep, and each would make its own; "
            f"expected one: leave out torchrun or srun, and give trainer.devices, or sweep=slurm"
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


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


def message_for_user(error: BaseException) -> str | None:
    """What to tell about an error that bad input caused; None if it is a defect of ours."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in causes:
        if isinstance(cause, UserError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno == errno.ENAMETOOLONG:  # wherever it came from
            name = str(cause.filename or "")
            return (
                f"{shown(name[:80])}... is too long a name ({len(os.fsencode(name))} bytes); expected 255 bytes at "
                f"most for a file or folder, and 4095 for a path: choose a shorter one"
            )
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
