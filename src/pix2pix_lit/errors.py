"""The one exception whose message is written for the person at the keyboard, and text from outside made fit to show."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

# Control characters, which steer terminals; line and paragraph separators; marks that reverse the direction of what
# follows; and surrogates, by which Python holds the bytes of file names that are not UTF-8 (PEP 383).
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SAME = 0.7  # similarity from which a name may be meant by another


class UserError(ValueError):
    """Bad input from outside: a path, a file, a configuration value.

    The message says what was found, what was expected and what to do. The commands print it without a stack
    trace and exit with status 1; anything else that escapes is a defect of ours and keeps its trace. Names in it
    are made printable here, except that a line break stays one: ``shown`` has no line breaks either.
    """

    def __init__(self, message: str) -> None:
        # A DataLoader worker's error is raised again by building the type anew from "Caught UserError in ..." and
        # a formatted traceback that ends in "pix2pix_lit.errors.UserError: <message>"; the message is what counts.
        kind = type(self)
        if message.startswith(f"Caught {kind.__name__} in "):
            message = message.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip()
        super().__init__(printable(message))


class NotFiniteError(UserError):
    """A network's output has a NaN or an infinity, which no image can show."""


def shown(name: object) -> str:
    r"""A file name, or other text from outside, on one line of printable text.

    Bytes that are no UTF-8 are shown as ``\xe9``, control characters as ``\x1b``; other characters stay as they are.

    >>> shown("caf\udce9/\x1b[2J.png")
    'caf\\xe9/\\x1b[2J.png'
    """
    return _UNPRINTABLE.sub(_escaped, str(name))


def printable(text: str) -> str:
    """Text of several lines as ``shown`` would have it, with its line breaks and tabs."""
    return _UNPRINTABLE_IN_TEXT.sub(_escaped, text)


def _escaped(character: re.Match[str]) -> str:
    code = ord(character[0])
    if 0xDC80 <= code <= 0xDCFF:  # the byte 0x80..0xFF that could not be decoded
        code -= 0xDC00
    return rf"\x{code:02x}" if code <= 0xFF else rf"\u{code:04x}"


def first_few(items: Sequence[object], count: int = 5) -> str:
    """The first of a list in words, for messages."""
    return ", ".join(map(shown, items[:count])) + (", ..." if len(items) > count else "")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that are most like this one, at most three; none if none is like it.

    ``max_epoch`` and ``trainer.max_epoch`` are both like ``trainer.max_epochs``: the last part counts most.
    """
    parts = re.split(r"[./]", name)
    scores: dict[str, float] = {}
    for other in known:
        if other.endswith("_target_"):
            continue
        others = re.split(r"[./]", other)
        last = SequenceMatcher(None, parts[-1], others[-1]).ratio()
        score = max(
            SequenceMatcher(None, name, other).ratio(), last - 0.05 * (len(parts) > 1) - 0.01 * (len(others) > 1)
        )
        if score >= _SAME and last >= _SAME - 0.1:  # of the last parts, as groups share all others
            scores[other] = score
    best = max(scores.values(), default=0.0)
    return sorted((other for other in scores if scores[other] >= best - 0.02), key=lambda other: -scores[other])[:3]


def did_you_mean(name: str, known: Iterable[str], form: str = "{}") -> str:
    """``: did you mean a or b?``, or nothing to add."""
    found = nearest(name, known)
    return f": did you mean {' or '.join(form.format(other) for other in found)}?" if found else ""
