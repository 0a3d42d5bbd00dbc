"""What is wrong with the words of a command, found before anything is loaded or made, and what was meant instead."""

import copy
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pix2pix_lit.errors import UserError, did_you_mean, shown
from pix2pix_lit.internals.hydra import apply_overrides
from pix2pix_lit.runs.configs import compose_config, groups_of, nodes, options_of
from pix2pix_lit.runs.former_keys import ON_COMMAND_LINES, REPLACED

OURS_INSTEAD = {
    "trainer.accumulate_grad_batches": (
        "raise data.batch_size, and divide each batch with model.micro_batches=N to save memory: the gradient is that "
        "of the whole batch"
    ),
    "trainer.gradient_clip_val": "limit each network's gradient with model.gradient_clip.generator=NORM and "
    "model.gradient_clip.discriminator=NORM",
    "trainer.gradient_clip_algorithm": "gradients are clipped by their norm: model.gradient_clip.generator=NORM",
    "trainer.sync_batchnorm": "model.sync_batch_norm=true",
    "trainer.reload_dataloaders_every_n_epochs": "leave it out: pairs are read again in every epoch",
}
"""What Lightning's Trainer knows but cannot do with two optimizers, and which keys do it here."""

WITHOUT_EFFECT = frozenset(
    {
        "data.root",
        "data.archive",
        "data.accept_license",
        "data.cache",
        "data.cache_dir",
        "data.num_workers",
        "data.prefetch",
        "data.pin_memory",
        "data.val_batch_size",
    }
)
"""Keys of ``data`` that say where files are and how they are read, and change no result."""

MAY_DIFFER = WITHOUT_EFFECT | {
    "sweep",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
}
"""Keys that say where and how jobs run, in which the machines that share a sweep may differ."""


Compose = Callable[[str, str, tuple[str, ...]], DictConfig]
"""``compose_config``, or one that remembers what it has composed."""


def composed(
    config_dir: str, config_name: str, words: Sequence[str], usage: str, compose: Compose = compose_config
) -> DictConfig:
    """Compose a config as Hydra will, and explain what it would refuse or misunderstand.

    Args:
        config_dir: the folder of the configs.
        config_name: of the primary one.
        words: of the command line, without options such as ``--multirun``; of a sweep, too.
        usage: the command, for those who have not typed keys and values.
        compose: may remember what ``chosen_options`` has composed, which takes most of the time.

    Returns:
        The config, with that of Hydra itself; with the first value wherever a sweep has several.

    Raises:
        UserError: for a word that is no override, a key, group or option that does not exist, and a group that is
            written as a key.
    """
    folder = Path(config_dir)
    for word in words:
        if "=" not in word and not word.startswith("~"):
            raise UserError(f"{shown(word)} is not KEY=VALUE; expected: {usage}")
    groups = groups_of(folder)
    overrides = [_parsed(word) for word in words]
    for override in overrides:
        _refuse_keys_for_one_optimizer(override.key_or_group)
        _check_group(folder, groups, override)
    compose = functools.cache(compose)
    firsts = [_first(override, folder) for override in overrides]
    try:
        choices = tuple(first for first in firsts if _is_choice(first, groups))
        config = copy.deepcopy(compose(config_dir, config_name, choices))
        apply_overrides(config, [_parsed(first) for first in firsts if not _is_choice(first, groups)])
    except (HydraException, OmegaConfBaseException, ValueError):
        try:
            config = compose(config_dir, config_name, tuple(firsts))
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            chosen_options(config_dir, config_name, words, compose)  # explains an unknown key better
            raise UserError(f"{_plain(error, folder)}; expected: {usage}") from error
    _refuse_what_nothing_takes(folder / f"{config_name}.yaml", overrides, config)
    return config


def chosen_options(
    config_dir: str, config_name: str, words: Iterable[str], compose: Compose = compose_config
) -> dict[str, Any]:
    """The config of the groups and options that some overrides choose, before any of its keys is overridden.

    Returns:
        Plain dictionaries, unresolved; empty if the options do not go together, as composing the config will tell.

    Raises:
        UserError: for an option that does not exist, and for a key among the overrides that nothing has.
    """
    folder = Path(config_dir)
    groups = groups_of(folder)
    keys, choices = [], []
    for word in words:
        if _is_choice(word, groups):
            override = _parsed(word)
            _check_group(folder, groups, override)
            choices.append(_first(override, folder))
        else:
            keys.append(word.partition("=")[0])
    try:
        config = compose(config_dir, config_name, tuple(choices))
    except (HydraException, OmegaConfBaseException, ValueError):
        return {}
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    known = [name for name, _ in nodes(values)]
    for key in keys:
        _check_key(key, known, groups)
    return values


def _is_choice(word: str, groups: Sequence[str]) -> bool:
    """Whether a word chooses an option of a group."""
    name = word.partition("=")[0].lstrip("+~").partition("@")[0]
    return name in groups or name.startswith("hydra/") or name == "hydra.searchpath"


def _refuse_what_nothing_takes(primary: Path, overrides: Sequence[Override], config: DictConfig) -> None:
    """Raise a ``UserError`` for an addition at the top of the config, where code reads the keys that are there."""
    for override in overrides:
        key = override.key_or_group
        top = key.partition(".")[0].partition("/")[0]
        is_group = top == "hydra" or (primary.parent / top).is_dir()
        if (override.is_add() or override.is_force_add()) and not is_group and f"{top}:" not in primary.read_text():
            known = [name for name, _ in nodes(config) if not name.startswith(("hydra", "callbacks.", top))]
            raise UserError(f"nothing takes a key {key}{did_you_mean(key, known)}")


def _parsed(word: str) -> Override:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{shown(word)} cannot be read as KEY=VALUE ({shown(reason)}); expected values with spaces, commas, "
            f"brackets or quotes in quotes of their own, within those of the shell: \"KEY='VALUE'\""
        ) from error


def _check_group(folder: Path, groups: Sequence[str], override: Override) -> None:
    group, text = override.key_or_group, _text(override)
    if group not in groups:
        as_group = group.replace(".", "/")
        if as_group in groups and not isinstance(override.value(), dict) and not override.is_delete():
            raise UserError(f"{group} is a group: type {as_group}={text}, with a slash")
        if "/" in group and not group.startswith("hydra/"):
            key = group.replace("/", ".")
            meant = did_you_mean(group, groups, f"{{}}={text}") or f", or {key}={text} for a key"
            raise UserError(f"there is no group {group}; expected one of {', '.join(groups)}{meant}")
        return
    options = options_of(folder, group)
    key = text if override.is_delete() else str(override.input_line).partition("=")[0]
    for option in _values(override.value()):
        if isinstance(option, str | int | float) and not isinstance(option, bool) and str(option) not in options:
            raise UserError(
                f"{group} has no option {shown(option)}; expected one of {', '.join(options)}"
                f"{did_you_mean(str(option), options, key + '={}')}"
            )


def _values(value: Any) -> list[Any]:
    """The options that a value chooses; none for what Hydra will expand."""
    if isinstance(value, ChoiceSweep):
        return [item for part in value.list for item in _values(part)]
    if isinstance(value, list):
        return [item for part in value for item in _values(part)]
    return [value.text if isinstance(value, QuotedString) else value]


def _text(override: Override) -> str:
    return str(override.input_line).partition("=")[2]


def _refuse_keys_for_one_optimizer(key: str) -> None:
    if key in OURS_INSTEAD:
        raise UserError(f"{key} is not for two optimizers; expected keys of this project: {OURS_INSTEAD[key]}")


def _check_key(typed: str, known: Sequence[str], groups: Sequence[str]) -> None:
    key = typed.lstrip("+~")
    _refuse_keys_for_one_optimizer(key)
    as_group = key.replace(".", "/")
    if not known or key in known or typed.startswith("+") or "/" in key or as_group in groups:
        return
    renamed = REPLACED.get(key) or ".".join(ON_COMMAND_LINES.get(part, part) for part in key.split("."))
    if renamed != key and (renamed in known or renamed in groups):
        raise UserError(f"there is no key {key}: did you mean {renamed}?")
    parent = key.rpartition(".")[0]
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    # The settings that HParams shows are those of other keys.
    ours = [name for name in known if "hydra" not in name and not name.startswith("callbacks.hparams.")]
    others = [*known, *groups] if key.startswith("hydra") else [*groups, *ours]
    hint = (did_you_mean(key, siblings) if parent else "") or did_you_mean(key, others)
    if hint:
        raise UserError(f"there is no key {key}{hint}")
    there = [name for name in siblings if not name.endswith(("hydra", "_target_"))]
    raise UserError(f"there is no key {key}; expected one of {', '.join(there) or 'those that --help names'}")


def _first(override: Override, folder: Path) -> str:
    """The override with the first value of a sweep."""
    line = str(override.input_line)
    if not override.is_sweep_override():
        return line
    value, key = override.value(), line.partition("=")[0]
    if isinstance(value, IntervalSweep):
        return f"{key}={value.start}"
    if isinstance(value, Glob):
        return f"{key}={next(iter(value.filter(options_of(folder, override.key_or_group))), 'null')}"
    return f"{key}={next(iter(override.sweep_string_iterator()))}"


def _plain(error: Exception, folder: Path) -> str:
    """What Hydra says, without its advice."""
    group = re.match("Could not override '(.+)'.\\s+No match in the defaults list", str(error))
    if group:
        parent, _, name = group[1].partition("@")[0].rpartition("/")
        having = [
            path.stem for path in (folder / parent).glob("*.yaml") if re.search(rf"- {name}[:@]", path.read_text())
        ]
        beside = f": it goes with {' or '.join(f'{parent}={option}' for option in having)}" if parent and having else ""
        return f"{group[1]} is no group of the options that are chosen{beside}"
    return shown(" ".join(line.strip() for line in str(error).splitlines() if "See https" not in line)[:300])


def split_overrides(overrides: Iterable[str]) -> dict[str, str]:
    """Overrides of a command line as keys and values."""
    return {key.lstrip("+~"): value for key, _, value in (override.partition("=") for override in overrides)}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In what two commands differ, such as ``seed=1 (2 before)``; empty if they do the same."""
    return ", ".join(
        f"{key}={now.get(key, 'not given')} ({before.get(key, 'not given')} before)"
        for key in sorted((before.keys() | now.keys()) - MAY_DIFFER)
        if before.get(key) != now.get(key)
    )
