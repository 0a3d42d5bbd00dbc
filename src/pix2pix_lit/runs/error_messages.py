"""How errors are reported: one message for bad input, a stack trace for a bug."""

import errno
import os

from hydra.errors import InstantiationException
from omegaconf.errors import MissingMandatoryValue

from pix2pix_lit.errors import UserError, shown


def message_for_user(error: BaseException) -> str | None:
    """The message for an error that bad input caused; None for a bug in this program."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in causes:
        if isinstance(cause, UserError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno == errno.ENAMETOOLONG:  # wherever it came from
            name = str(cause.filename or "")
            return (
                f"{shown(name[:80])}... is too long a name ({len(os.fsencode(name))} bytes); expected 255 bytes at "
                f"most for a file or folder, and 4095 for a path: choose a shorter one"
            )
    # Hydra names the class and the key whose values were rejected. Lightning's exception is recognised by its name,
    # which avoids importing Lightning.
    if isinstance(error, InstantiationException) and isinstance(
        causes[-1], TypeError | ValueError | ImportError | UserWarning
    ):
        return str(error)
    if isinstance(error, MissingMandatoryValue):
        key = str(error.full_key or error.key)
        return f"{key} is not set and has no default; expected a value: add {key}=VALUE"
    if any(type(cause).__name__ == "MisconfigurationException" for cause in causes):
        return str(causes[-1])
    return None
