"""Image sizes in configs."""

from collections.abc import Sequence

from pix2pix_lit.errors import UserError

Size = int | Sequence[int]
"""The side of a square in pixels, or [height, width]."""


def height_and_width(size: Size, key: str, smallest: int = 1, largest: int = 65_536) -> tuple[int, int]:
    """Convert a ``Size`` to (height, width).

    Args:
        size: value of the config.
        key: its key, for the message.
        smallest: least number of pixels per side.
        largest: greatest number of pixels per side.

    Raises:
        UserError: naming ``key`` if ``size`` is neither one integer in this range nor two of them.
    """
    sides = list(size) if isinstance(size, Sequence) else [size, size]
    if len(sides) != 2 or not all(type(side) is int and smallest <= side <= largest for side in sides):
        raise UserError(
            f"{key} is {size!r}; expected a whole number of pixels from {smallest} to {largest}, or two of them as "
            f"{key}=[height,width]"
        )
    return sides[0], sides[1]
