"""Checks of values: single ones, values against type hints, and configs against the classes they build."""

import builtins
import functools
import inspect
import math
import os
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.errors import UserError, did_you_mean, shown

_SEQUENCES = (list, Sequence, Collection, Iterable, set, frozenset)
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
_CHECKED = ("pix2pix_lit.", "lightning.", "torch.optim.", "torch.profiler.")
_TRAINER = {
    "accelerator": ("auto|cpu|gpu|cuda|mps|tpu", "auto, cpu, gpu or mps"),
    "devices": (r"auto|-1|0*[1-9]\d*|\d+(,\d+)+", "1 or more, -1 for all, auto, or a list of their numbers"),
}
"""The values that Lightning's Trainer accepts for arguments whose type hints allow any string."""


class StringKind(Enum):
    """The meaning of a string in a config, declared with ``Annotated``."""

    PATH = "a file name: taken as typed on the command line, with ~ for the home folder"
    TEXT = "free text, such as a pattern or the name of a column: taken as typed"
    WORD = "a name from some list: parsed by Hydra, which allows several in a sweep"


FilePath = Annotated[str, StringKind.PATH]
FreeText = Annotated[str, StringKind.TEXT]
Word = Annotated[str, StringKind.WORD]


def string_kind(hint: Any) -> StringKind | None:
    """The meaning of strings of a type; None for a type without strings, or one that does not declare it.

    A ``Literal`` of strings is a word. A union with ``Path``, as in Lightning's classes, is a file name.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        found = next((note for note in arguments[1:] if isinstance(note, StringKind)), None)
        return found or string_kind(arguments[0])
    if origin is Literal and any(isinstance(argument, str) for argument in arguments):
        return StringKind.WORD
    if origin in (Union, types.UnionType):
        return next((kind for argument in arguments if (kind := string_kind(argument)) is not None), None)
    return StringKind.PATH if inspect.isclass(hint) and issubclass(hint, os.PathLike) else None


def check_integer(key: str, value: object, least: int = 0, most: int | None = None) -> None:
    """Refuse anything but a whole number from ``least`` to ``most``, with a ``UserError`` that names ``key``."""
    if type(value) is not int or value < least or (most is not None and value > most):
        expected = f", {least} or more" if most is None else f" from {least} to {most}"
        raise UserError(f"{key} is {shown(repr(value))}; expected a whole number{expected}")


def check_number(key: str, value: Any, least: float = 0.0, most: float = math.inf) -> None:
    """Refuse anything but a finite number from ``least`` to ``most``, with a ``UserError`` that names ``key``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        expected = f", {least:g} or more" if most == math.inf else f" from {least:g} to {most:g}"
        raise UserError(f"{key} is {shown(repr(value))}; expected a number{expected}")


def check_flag(key: str, value: object) -> None:
    """Refuse anything but true and false, with a ``UserError`` that names ``key``."""
    if type(value) is not bool:
        raise UserError(f"{key} is {shown(repr(value))}; expected true or false")


def check_choice(key: str, value: object, options: Any) -> None:
    """Refuse anything but one of the options, with a ``UserError`` that names ``key``.

    Args:
        key: the name of the value.
        value: what is checked.
        options: a ``Literal`` of them, or a collection; None among them is called null.
    """
    allowed = [*(get_args(options) or options)]
    if value not in allowed:
        names = ", ".join("null" if option is None else str(option) for option in allowed)
        raise UserError(f"{key} is {shown(repr(value))}; expected one of {names}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value, as in YAML and JSON, fits a type hint.

    A whole number fits ``float``; true and false fit no number. A list fits every sequence. For a class, only a mapping
    fits, which may be the config of an instance.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, arguments[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    kind = origin or hint
    if kind is type(None) or kind is None:
        return value is None
    if kind in (bool, str):
        return type(value) is kind
    if kind is int:
        return type(value) is int
    if kind is float:
        return type(value) in (int, float)
    if kind in _SEQUENCES:
        return isinstance(value, list | tuple) and all(fits(item, hint) for hint in arguments for item in value)
    if kind is tuple:
        if not isinstance(value, list | tuple):
            return False
        if len(arguments) == 2 and arguments[1] is ...:
            return all(fits(item, arguments[0]) for item in value)
        return not arguments or (len(value) == len(arguments) and all(map(fits, value, arguments)))
    if kind in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            fits(key, hint) and fits(item, item_hint)
            for hint, item_hint in [arguments] * bool(arguments)
            for key, item in value.items()
        )
    if inspect.isclass(kind) and kind not in (object, Any):
        return isinstance(value, Mapping) or (isinstance(value, str) and issubclass(kind, os.PathLike | Enum))
    return True


def in_words(hint: Any) -> str:
    """A type in words, for messages: ``a whole number``, ``true or false``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return in_words(arguments[0])
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        arguments = tuple(argument for argument in arguments if argument is not int or float not in arguments)
        return " or ".join(dict.fromkeys(map(in_words, arguments)))
    kind = origin or hint
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _SEQUENCES or kind is tuple:
        inner = [argument for argument in arguments if argument is not ...]
        return f"a list of {in_words(inner[0]).removeprefix('a ')}s" if inner and inner[0] in _WORDS else "a list"
    return "keys and values" if kind in (dict, Mapping) else f"keys of {getattr(kind, '__name__', kind)}"


def hint_of(key: str, config: Mapping[str, Any], kinds: type | None = None) -> Any:
    """The type hint of a key of a composed config: that of the argument of the class that it configures.

    Args:
        key: with its groups, such as ``data.source.a_folder``.
        config: as plain dictionaries.
        kinds: a class whose annotations are the types of the keys at the top.

    Returns:
        None if the key's type is not declared.
    """
    *parents, name = key.split(".")
    hints = {} if kinds is None else _hints_of_keys(kinds)
    node: Any = config
    for parent in parents:
        node = node.get(parent) if isinstance(node, Mapping) else None
        target = node.get("_target_") if isinstance(node, Mapping) else None
        if not isinstance(target, str):
            notes = getattr(hints.get(parent), "__metadata__", ())
            hints = next((_hints_of(note.target) for note in notes if isinstance(note, ArgumentsOf)), {})
        else:
            hints = _hints_of(get_object(target)) if target.startswith(_CHECKED) else {}
    return hints.get(name)


class ArgumentsOf:
    """Within ``Annotated``: the keys of a mapping are arguments of this class or function."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self.target = target


def check_config(config: DictConfig, kinds: type | None = None) -> None:
    """Check all values of a composed config against the type hints of the classes and functions that it configures.

    Classes of this package, of Lightning and of ``torch.optim`` are imported; others check their arguments themselves.
    Interpolations are skipped, since the key that they refer to is checked.

    Args:
        config: the config.
        kinds: a class whose annotations are the types of the top-level keys.

    Raises:
        UserError: naming the key, for a value of another type, a number that is not finite or is too small, and an
            unknown key.
    """
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    hints = {} if kinds is None else _hints_of_keys(kinds)
    _check_values("", {key: values[key] for key in hints if key in values}, hints, 0)
    for key in values.keys() - {"hydra"}:
        _check_node(key, values[key])
    if isinstance(values.get("trainer"), dict):
        _check_words(values["trainer"])


def _check_words(trainer: dict[str, Any]) -> None:
    for key, (pattern, expected) in _TRAINER.items():
        value = trainer.get(key, "auto")
        if not isinstance(value, list) and "${" not in str(value) and not re.fullmatch(pattern, str(value)):
            raise UserError(f"trainer.{key} is {shown(repr(value))}; expected {expected}")


def _check_node(key: str, node: Any) -> None:
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    if isinstance(target, str) and target.startswith(_CHECKED):
        _check_arguments(key, {name: node[name] for name in node if not name.startswith("_")}, get_object(target))
    for name, value in node.items():
        _check_node(f"{key}.{name}", value)


def _check_arguments(key: str, values: dict[str, Any], target: Callable[..., Any]) -> None:
    parameters = _signature(target).parameters
    hints = _hints_of(target)
    others = [hints.get(name, Any) for name, it in parameters.items() if it.kind is it.VAR_KEYWORD]
    for name, value in values.items():
        if name not in parameters and not any(fits(value, hint) for hint in others):
            raise UserError(
                f"{key}.{name}: {target.__name__} has no such key{did_you_mean(name, parameters, key + '.{}')}"
            )
    _check_values(f"{key}.", values, hints, -1 if target.__module__.startswith("lightning.") else 0)
    for name, value in values.items():
        for note in getattr(hints.get(name), "__metadata__", ()):
            if isinstance(note, ArgumentsOf) and isinstance(value, dict) and "_target_" not in value:
                _check_arguments(f"{key}.{name}", value, note.target)


_signature = functools.cache(inspect.signature)
_hints_of_keys = functools.cache(functools.partial(get_type_hints, include_extras=True))


class _Names(dict[str, Any]):
    """The names in annotations; those that only type checkers import stand for any type."""

    def __missing__(self, name: str) -> Any:
        return Any


@functools.cache
def _hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of the arguments of a class or function."""
    function: Callable[..., Any] = target.__init__ if inspect.isclass(target) else target
    names = _Names(vars(builtins) | getattr(inspect.unwrap(function), "__globals__", {}))
    return get_type_hints(function, localns=names, include_extras=True)


def _check_values(prefix: str, values: dict[str, Any], hints: dict[str, Any], least: int) -> None:
    for name, value in values.items():
        if name not in hints or (isinstance(value, str) and (value == "???" or "${" in value)):
            continue
        if not fits(value, hints[name]):
            raise UserError(f"{prefix}{name} is {shown(repr(value))}; expected {in_words(hints[name])}")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise UserError(f"{prefix}{name} is {number}; expected a finite number")
        if type(value) in (int, float) and value < least:
            raise UserError(f"{prefix}{name} is {value}; expected {least} or more")
