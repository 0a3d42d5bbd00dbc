"""The one exception whose message is written for the person at the keyboard."""

from collections.abc import Sequence


class UserError(ValueError):
    """Bad input from outside: a path, a file, a configuration value.

    The message says what was found, what was expected and what to do. The commands print it without a stack
    trace and exit with status 1; anything else that escapes is a defect of ours and keeps its trace.
    """

    def __init__(self, message: str) -> None:
        # A DataLoader worker's error is raised again by building the type anew from "Caught UserError in ..." and
        # a formatted traceback that ends in "pix2pix_lit.errors.UserError: <message>"; the message is what counts.
        kind = type(self)
        if message.startswith(f"Caught {kind.__name__} in "):
            message = message.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip()
        super().__init__(message)


def first_few(items: Sequence[object], count: int = 5) -> str:
    """The first of a list in words, for messages."""
    return ", ".join(map(str, items[:count])) + (", ..." if len(items) > count else "")
