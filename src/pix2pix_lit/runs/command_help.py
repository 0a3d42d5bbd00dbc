"""What --help prints: usage, keys and their comments, all read from the config files themselves."""

import re
from collections.abc import Sequence
from pathlib import Path

from pix2pix_lit.errors import UserError, did_you_mean
from pix2pix_lit.runs.configs import options_of


def usage(folder: Path, name: str) -> str:
    """The command itself: the first indented line of the comment at the head of a primary config."""
    return next(line.strip() for line in _head(_lines(folder / f"{name}.yaml")) if line.startswith("  "))


def help_text(folder: Path, name: str, topics: Sequence[str] = ()) -> str:
    """The help text of a command, or of some of its groups and options.

    Args:
        folder: of the configs.
        name: of the command's primary config.
        topics: groups or options, such as ``trainer`` or ``data=facades``; empty for the command itself.

    Raises:
        UserError: for an unknown topic.
    """
    groups = _groups(folder, name)
    if topics:
        return "\n\n".join(
            _help_of(folder, groups, topic.partition("=")[0], topic.partition("=")[2]) for topic in topics
        )
    lines = _lines(folder / f"{name}.yaml")
    parts = [*_head(lines), "", "Keys, with their defaults:", "", *_keys(lines)]
    if groups:
        width = max(map(len, groups))
        parts += ["", "Groups of keys, with their options (GROUP=OPTION):", ""]
        parts += [f"  {group:{width}}  {', '.join(options_of(folder, group))}" for group in groups]
        parts += ["", f"--help GROUP shows the keys of a group: --help {next(iter(groups))}"]
    parts += ["", "--cfg job shows the whole config that a command line makes; --hydra-help the options of Hydra."]
    return "\n".join(parts)


def _groups(folder: Path, name: str) -> list[str]:
    """The groups in a primary config's defaults list, and their subgroups."""
    chosen = [match[1] for line in _lines(folder / f"{name}.yaml") if (match := re.match(r"  - (\w+):", line))]
    inner = [str(path.relative_to(folder)) for group in chosen for path in sorted((folder / group).rglob("*"))]
    return sorted(
        group for group in [*chosen, *inner] if (folder / group).is_dir() and not group.startswith("experiment/")
    )


def _help_of(folder: Path, groups: Sequence[str], group: str, option: str) -> str:
    if group not in groups:
        raise UserError(f"there is no group {group}; expected one of {', '.join(groups)}{did_you_mean(group, groups)}")
    options = options_of(folder, group)
    if not option:
        option = next(name for name in ("default", "base", *options) if (folder / group / f"{name}.yaml").is_file())
    elif option not in options:
        hint = did_you_mean(option, options, f"{group}={{}}")
        raise UserError(f"{group} has no option {option}; expected one of {', '.join(options)}{hint}")
    lines = _lines(folder / group / f"{option}.yaml")
    inherited = []
    if group == "data" and option != "base":
        inherited = ["", "and of every data set:", "", *_keys(_lines(folder / "data" / "base.yaml"))]
    return "\n".join(
        [f"{group}: {', '.join(options)}", "", f"{group}={option}:", "", *_head(lines), "", *_keys(lines), *inherited]
    )


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _head(lines: Sequence[str]) -> list[str]:
    """The comment at the head of a file, without the ``#`` signs."""
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        if "@package" not in line:
            head.append(line.removeprefix("#").removeprefix(" "))
    return head


def _keys(lines: Sequence[str]) -> list[str]:
    """The keys of a file with their comments, without Hydra's own entries."""
    keys, skipping = [], False
    for line in lines:
        if line and not line.startswith((" ", "#")):
            skipping = line.startswith(("defaults:", "hydra:", "_target_", "_partial_"))
        if not skipping and line.strip() and not line.startswith("#") and "_target_:" not in line:
            keys.append(f"  {line}")
    return keys
