"""Files with the weights of networks that others have trained."""

import pickle
from pathlib import Path
from typing import Any

import torch

from pix2pix_lit.errors import UserError


def read_state_dict(path: Path, key: str, expected: str) -> dict[str, Any]:
    """The dictionary in a file of ``torch.save``, on the CPU; no code in the file is run.

    Args:
        path: the file.
        key: the setting that names it, for messages.
        expected: what it should be, for messages.

    Raises:
        UserError: if it is no file, damaged, or holds something else.
    """
    if not path.is_file():
        raise UserError(f"{key} is {path}, which is not a file; expected {expected}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{key} is {path}, which is damaged or holds more than tensors ({type(error).__name__}); expected "
            f"{expected}: get an intact copy"
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{key} is {path}, which holds a {type(state).__name__}; expected {expected}")
    return state
