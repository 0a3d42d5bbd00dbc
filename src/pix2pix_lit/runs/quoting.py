"""Override values taken as typed: file names and free text, for which Hydra's grammar has no room."""

import os
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from pix2pix_lit.checks import StringKind, hint_of, string_kind
from pix2pix_lit.errors import UserError

_OVERRIDE = re.compile(r"(\+{0,2}([\w./@]+)=)(.+)", re.DOTALL)
_OF_HYDRA = ("hydra.run.dir", "hydra.sweep.dir")
"""File names among Hydra's own keys."""


def quote(value: str, *, interpolations: bool = False) -> str:
    """``value`` as a string in Hydra's override grammar that means just itself.

    Args:
        value: any text.
        interpolations: whether ``${key}`` in it stands for the value of that key.
    """
    # Within quotes, Hydra wants backslashes doubled before a quote; OmegaConf reads ${ as an interpolation.
    if not interpolations:
        value = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    value = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), value)
    return f"'{value}'"


def unquoted(value: str) -> str:
    """The text that a value in Hydra's override grammar means."""
    return str(OverridesParser.create().parse_override(f"key={value}").value())


def with_text_quoted(
    words: Sequence[str], kinds: type | None, defaults: Callable[[], dict[str, Any]], is_sweep: bool = False
) -> list[str]:
    """Overrides with the values of file names and free text in quotes, so that Hydra takes them as typed.

    Which keys these are follows from the type hints of what a config builds: ``checks.FilePath`` and
    ``checks.FreeText``. ``ckpt=~/runs/a,b (1)=x.ckpt`` means just that file; ``~`` is the home folder. ``null``, values
    that are in quotes already and all other words are left to Hydra. Where the default of a key is an interpolation,
    as that of ``output_dir``, a value may have some, too.

    Args:
        words: of the command line.
        kinds: a class whose annotations are the types of the config's keys at the top.
        defaults: called for the config, unresolved, without these words but with the groups that they choose; only
            if a word needs it, and what a key belongs to is imported only then.
        is_sweep: whether commas may be meant to separate the values of a sweep.

    Raises:
        UserError: in a sweep, for a value with commas that is no existing path, where a list of paths may be meant.
    """
    values: dict[str, Any] | None = None
    quoted = []
    for word in words:
        match = _OVERRIDE.fullmatch(word)
        if match is not None and not _means_itself(word, match[3]):
            prefix, key, text = match.groups()
            if values is None and ("." in key or "${" in text):
                values = defaults()
            kind, default = _kind_and_default(key, kinds, values or {})
            if kind in (StringKind.PATH, StringKind.TEXT):
                path = os.path.expanduser(text) if kind is StringKind.PATH else text  # few shells expand ~ behind "="
                if is_sweep and kind is StringKind.PATH:
                    _refuse_unquoted_choices(prefix, text)
                word = prefix + quote(path, interpolations="${" in str(default) or key in _OF_HYDRA)
        quoted.append(word)
    return quoted


def _means_itself(word: str, text: str) -> bool:
    """Whether Hydra reads a value as the text that it is, or it must not be changed."""
    if text == "null" or (len(text) > 1 and text[0] == text[-1] and text[0] in "'\""):
        return True
    try:
        value = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return False
    return isinstance(value, str) and value == text and "${" not in text and not text.startswith("~")


def _kind_and_default(key: str, kinds: type | None, values: dict[str, Any]) -> tuple[StringKind | None, Any]:
    if key in _OF_HYDRA:
        return StringKind.PATH, None
    default: Any = values
    for part in key.split("."):
        default = default.get(part) if isinstance(default, dict) else None
    if default is not None and not isinstance(default, str):
        return None, default
    return string_kind(hint_of(key, values, kinds)), default


def _refuse_unquoted_choices(prefix: str, text: str) -> None:
    """In a sweep, ``data.root=a,b`` is the one path "a,b", which is hardly meant where there is none."""
    if "," in text and not os.path.lexists(os.path.expanduser(text)):
        paths = text.split(",")
        choices = ",".join(quote(os.path.expanduser(path)) for path in paths)
        raise UserError(
            f"{prefix}{text} means one value, {text!r}, which is not there; expected for a sweep over {len(paths)} "
            f"values each in quotes of its own: {shlex.quote(prefix + choices)}"
        )
