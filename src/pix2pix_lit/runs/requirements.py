"""Options that need optional packages, and how to install them."""

import importlib.util
from collections.abc import Iterable

EXTRAS = {
    "sweep=optuna": ("optuna", "sweep"),
    "sweep=joblib": ("hydra_plugins.hydra_joblib_launcher", "sweep"),
    "sweep=slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "logger=wandb": ("wandb", "wandb"),
    "logger=mlflow": ("mlflow", "mlflow"),
}
"""Option -> the module that it needs, and the extra that installs it."""


def refuse_missing_packages(arguments: Iterable[str]) -> None:
    """Exit with a message about what to install if an argument chooses an option whose packages are missing."""
    for argument in arguments:
        group, _, options = argument.lstrip("+").partition("=")
        for option in options.strip("[]").split(","):
            module, extra = EXTRAS.get(f"{group}={option}", ("sys", ""))
            if not _is_installed(module):
                raise SystemExit(
                    f"error: {group}={option} needs the module {module}, which is not installed; "
                    f'expected the extra packages: pip install "pix2pix-lit[{extra}]"'
                )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that contains it is missing
        return False
