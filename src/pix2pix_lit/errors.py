"""Errors for the user, and text from outside made safe to print."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

# Control characters, which steer terminals; line and paragraph separators; marks that reverse the direction of what
# follows; and surrogates, by which Python holds the bytes of file names that are not UTF-8 (PEP 383).
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SIMILAR = 0.7  # least similarity of a name and its mistyped form


class UserError(ValueError):
    """Bad input from outside: a path, a file, a configuration value.

    The message says what was found, what was expected and what to do. The commands print it without a stack
    trace and exit with status 1; any other exception is a bug and keeps its trace. Unprintable characters in it are
    escaped here, except line breaks, which ``shown`` escapes too.
    """

    def __init__(self, message: str) -> None:
        # DataLoader raises a worker's error again with the text "Caught UserError in ..." and a formatted traceback
        # that ends in "pix2pix_lit.errors.UserError: <message>": keep the message.
        kind = type(self)
        if message.startswith(f"Caught {kind.__name__} in "):
            message = message.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip()
        super().__init__(printable(message))


class NotFiniteError(UserError):
    """A network's output contains a NaN or an infinity, which an image cannot represent."""


def shown(name: object) -> str:
    r"""A file name, or other text from outside, as one line of printable text.

    Bytes that are not UTF-8 become ``\xe9``, control characters ``\x1b``; other characters stay as they are.

    >>> shown("caf\udce9/\x1b[2J.png")
    'caf\\xe9/\\x1b[2J.png'
    """
    return _UNPRINTABLE.sub(_escaped, str(name))


def printable(text: str) -> str:
    """Like ``shown``, but keeps line breaks and tabs."""
    return _UNPRINTABLE_IN_TEXT.sub(_escaped, text)


def _escaped(character: re.Match[str]) -> str:
    code = ord(character[0])
    if 0xDC80 <= code <= 0xDCFF:  # the byte 0x80..0xFF that could not be decoded
        code -= 0xDC00
    return rf"\x{code:02x}" if code <= 0xFF else rf"\u{code:04x}"


def first_few(items: Sequence[object], count: int = 5) -> str:
    """The first items of a list, separated by commas, for messages."""
    return ", ".join(map(shown, items[:count])) + (", ..." if len(items) > count else "")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names most similar to this one, at most three; empty if none is similar enough.

    ``max_epoch`` and ``trainer.max_epoch`` are both similar to ``trainer.max_epochs``: the last part counts most.
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
        if score >= _SIMILAR and last >= _SIMILAR - 0.1:  # of the last parts, as groups share all others
            scores[other] = score
    best = max(scores.values(), default=0.0)
    return sorted((other for other in scores if scores[other] >= best - 0.02), key=lambda other: -scores[other])[:3]


def did_you_mean(name: str, known: Iterable[str], form: str = "{}") -> str:
    """``: did you mean a or b?``, or an empty string."""
    found = nearest(name, known)
    return f": did you mean {' or '.join(form.format(other) for other in found)}?" if found else ""
