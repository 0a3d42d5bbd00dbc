"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020), for small data."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError


class DiffAugment:
    """Random changes to everything the discriminator sees, fakes and reals alike, that gradients flow through.

    Draws separately for every image of a batch, from torch's default generator of its device.

    Args:
        policies: any of ``color`` (brightness, saturation and contrast of the image, not of its input), ``translation``
            (by up to 1/8 of each side, padded with 0) and ``cutout`` (a rectangle of half of each side becomes 0),
            applied in this order. The last two change the input and the image alike, so pairs stay registered. An
            empty list changes nothing.

    Raises:
        UserError: for an unknown policy.
    """

    def __init__(self, policies: Sequence[str] = ()) -> None:
        if isinstance(policies, str) or any(policy not in POLICIES for policy in policies):
            wrong = policies if isinstance(policies, str) else list(policies)
            raise UserError(f"model.diff_augment is {wrong!r}; expected a list of any of {list(POLICIES)}, or []")
        self.policies = tuple(policies)

    def __call__(self, input: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Augment (N, C, H, W) and (N, C', H, W) float images in [-1, 1]; colours may exceed that range."""
        for policy in self.policies:
            input, image = POLICIES[policy](input, image)
        return input, image


def _color(input: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Brightness within +-0.5, saturation within 0 to 2, contrast within 0.5 to 1.5: the authors' ranges."""
    brightness, saturation, contrast = torch.rand(3, len(image), 1, 1, 1, device=image.device, dtype=image.dtype)
    image = image + brightness - 0.5
    gray = image.mean(1, keepdim=True)
    image = gray + (image - gray) * 2 * saturation
    level = image.mean((1, 2, 3), keepdim=True)
    return input, level + (image - level) * (contrast + 0.5)


def _translation(input: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    def origins(side: int) -> Tensor:  # (N, side): the row or column that each row or column of the result comes from
        reach = round(side / 8)
        shift = torch.randint(-reach, reach + 1, (len(image), 1), device=image.device)
        return torch.arange(side, device=image.device) - shift

    height, width = image.shape[-2:]
    rows, columns = origins(height)[:, :, None], origins(width)[:, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    each = torch.arange(len(image), device=image.device)[:, None, None]

    def moved(x: Tensor) -> Tensor:
        taken = x[each, :, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]  # (N, H, W, C)
        return taken.permute(0, 3, 1, 2) * inside[:, None]

    return moved(input), moved(image)


def _cutout(input: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    def within(
        side: int,
    ) -> Tensor:  # (N, side): whether the rectangle, which may cross the border, covers a row or column
        start = torch.randint(-(side // 4), side - side // 4 + 1, (len(image), 1), device=image.device)
        place = torch.arange(side, device=image.device)
        return (place >= start) & (place < start + side // 2)

    height, width = image.shape[-2:]
    kept = ~(within(height)[:, None, :, None] & within(width)[:, None, None, :])
    return input * kept, image * kept


POLICIES: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
