"""The Hydra configs: where they are, which groups and options there are, and composing them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

_INSTALLED = Path(__file__).parents[1] / "configs"
CONFIG_DIR = str(_INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "configs")
"""The folder of the Hydra configs: inside the installed package, or the checkout's own."""

USER_CONFIG_DIR = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "pix2pix-lit"
"""Where ``local/default.yaml`` with the settings of a machine may be, besides ``CONFIG_DIR``."""


def compose_config(config_dir: str, config_name: str, overrides: Sequence[str]) -> DictConfig:
    """Compose a config together with Hydra's own, under ``hydra``."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=config_dir):
        return compose(config_name, [*overrides], return_hydra_config=True)


def groups_of(folder: Path) -> list[str]:
    """All groups in a folder of configs, ``data``, ``data/augmentation``, ..., except Hydra's own, which has more."""
    groups = (path.relative_to(folder) for path in folder.rglob("*") if path.is_dir())
    return sorted(str(group) for group in groups if group.parts[0] != "hydra")


def options_of(folder: Path, group: str) -> list[str]:
    """The options of a group; those of ``experiment`` with their folder, such as ``paper/cityscapes_l1``."""
    files = (folder / group).rglob("*.yaml") if group == "experiment" else (folder / group).glob("*.yaml")
    names = (path.relative_to(folder / group).with_suffix("") for path in files)
    return sorted(str(name) for name in names if name.name != "base")


def nodes(config: DictConfig | dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of a config, groups included, with its value as written: interpolations are not resolved."""
    plain = OmegaConf.to_container(config, resolve=False) if isinstance(config, DictConfig) else config

    def inner(values: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            yield f"{prefix}{key}", value
            if isinstance(value, dict):
                yield from inner(value, f"{prefix}{key}.")

    yield from inner(plain, "")  # type: ignore[arg-type]
