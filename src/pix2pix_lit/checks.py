"""Whether a value is allowed: values of any origin held against type hints, and a config against what it builds."""

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value, as YAML and JSON have them, is of a type.

    A whole number fits ``float``, but true and false fit no number. A list fits every sequence. What cannot be judged,
    such as a class that is built from a mapping, fits.
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
    if kind in (list, Sequence, Collection, Iterable, set, frozenset):
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
    return True
