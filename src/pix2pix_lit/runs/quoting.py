"""Quotes override values such as file names and free text, which Hydra's grammar would not take as typed."""

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
    """``value`` quoted for Hydra's override grammar.

    Args:
        value: any text.
        interpolations: whether ``${key}`` in it stands for the value of that key.
    """
    # Within quotes, Hydra requires backslashes before a quote to be doubled; OmegaConf reads ${ as an interpolation.
    if not interpolations:
        value = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    value = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (r"\'" if found[2] else ""), value)
    return f"'{value}'"


def unquoted(value: str) -> str:
    """The text that a value in Hydra's override grammar stands for."""
    return str(OverridesParser.create().parse_override(f"key={value}").value())


def with_text_quoted(
    words: Sequence[str], kinds: type | None, defaults: Callable[[], dict[str, Any]], is_sweep: bool = False
) -> list[str]:
    """Quote the values of keys that take file names or free text, which makes Hydra take them as typed.

    Which keys these are follows from the type hints of what a config builds: ``checks.FilePath`` and
    ``checks.FreeText``. ``ckpt=~/runs/a,b (1)=x.ckpt`` is that file; ``~`` is the home folder. ``null``, values that
    are already quoted and all other words are left to Hydra. Where the default of a key contains an interpolation, as
    that of ``output_dir`` does, so may a value.

    Args:
        words: of the command line.
        kinds: a class whose annotations are the types of the config's top-level keys.
        defaults: returns the unresolved config with the groups that the words choose, but without their other values.
            Called only if a word needs it; only then are the classes that the config names imported.
        is_sweep: whether commas may separate the values of a sweep.

    Raises:
        UserError: in a sweep, for a value with commas that is not an existing path and may be meant as several.
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
    """Whether a value needs no quotes, or must not be changed."""
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
    """Refuse ``data.root=a,b`` in a sweep: it means the single path "a,b", which is unlikely to be intended."""
    if "," in text and not os.path.lexists(os.path.expanduser(text)):
        paths = text.split(",")
        choices = ",".join(quote(os.path.expanduser(path)) for path in paths)
        raise UserError(
            f"{prefix}{text} is read as one value, {text!r}, which does not exist; to sweep over {len(paths)} values, "
            f"quote each of them: {shlex.quote(prefix + choices)}"
        )
