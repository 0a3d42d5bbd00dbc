"""Checks of the numbers that losses are given."""

import math

from pix2pix_lit.errors import UserError


def check_number(key: str, value: float, least: float = 0.0, most: float = math.inf) -> None:
    """Refuse anything but a finite number from ``least`` to ``most``.

    Raises:
        UserError: naming ``key``, what it is and what was expected.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (is_number and least <= value <= most):
        expected = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise UserError(f"{key} is {value!r}; expected a number, {expected}")
