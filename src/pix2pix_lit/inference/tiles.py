"""Translation in tiles: memory for the arithmetic does not grow with the image."""

from collections.abc import Callable

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError


def default_overlap(tile: int, size_multiple: int) -> int:
    """An eighth of a tile, rounded up to a multiple of the network's ``size_multiple``; half a tile at most."""
    return min(-(-tile // (8 * size_multiple)) * size_multiple, tile // 2)


def check_tile(tile: int, overlap: int | None, size_multiple: int) -> None:
    """Refuse tiles that the network or the blending cannot take.

    Raises:
        UserError: saying which numbers would do.
    """
    if type(tile) is not int or tile < size_multiple or tile % size_multiple:
        below = max(size_multiple, tile // size_multiple * size_multiple) if type(tile) is int else size_multiple
        raise UserError(
            f"tile is {tile}; expected a side in pixels that the network takes, a multiple of {size_multiple} such as "
            f"{below} or {below + size_multiple}"
        )
    if type(overlap) is not int or not 0 <= overlap <= tile // 2:
        raise UserError(f"overlap is {overlap}; expected pixels from 0 to half of tile={tile}, {tile // 2}")


@torch.inference_mode()
def translate_in_tiles(
    generate: Callable[[Tensor], Tensor],
    finish: Callable[[Tensor], Tensor],
    image: Tensor,
    tile: int,
    overlap: int,
) -> Tensor:
    """Translate one image tile by tile, row by row, and blend tiles where they overlap.

    Every tile begins at a multiple of ``tile - overlap``, and the last of a row ends where the image does, to be padded
    by ``generate`` just as the whole image would be. Where two tiles overlap, the outer three eighths of each count for
    nothing, since they have seen least of what is around, and over the quarter between one fades into the other. So a
    network whose receptive field reaches no farther than three eighths of ``overlap`` generates the same as for the
    image in one piece, if tiles begin where its grid does: at multiples of its ``size_multiple``.

    Args:
        generate: (1, planes, h, w) pixels, h and w at most ``tile`` -> (1, C, h, w) floats.
        finish: (1, C, h, W) floats -> (1, channels, h, W) pixels on the CPU.
        image: (1, planes, H, W) pixels.
        tile: side of a tile in pixels; see ``check_tile``.
        overlap: pixels that neighbours share.

    Returns:
        (1, channels, H, W) pixels on the CPU. Beside it and ``image``, the floats of one row of tiles are all that is
        kept.
    """
    height, width = image.shape[-2:]
    result: Tensor | None = None
    carried: Tensor | None = None  # the row of tiles above, in the image rows that both share
    for top, bottom in _spans(height, tile, overlap):
        row: Tensor | None = None
        for left, right in _spans(width, tile, overlap):
            piece = generate(image[..., top:bottom, left:right]).float()
            piece *= _weights(top, bottom, height, overlap, piece.device)[:, None]
            piece *= _weights(left, right, width, overlap, piece.device)
            if row is None:
                row = torch.zeros(*piece.shape[:2], bottom - top, width, device=piece.device)
            row[..., left:right] += piece
        assert row is not None
        if carried is not None:
            row[..., : carried.shape[-2], :] += carried
        done = bottom - top if bottom == height else bottom - top - overlap
        carried = row[..., done:, :]
        pixels = finish(row[..., :done, :])
        if result is None:
            result = pixels.new_empty(*pixels.shape[:2], height, width)
        result[..., top : top + done, :] = pixels
    assert result is not None
    return result


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along one side."""
    starts = range(0, max(length - overlap, 1), tile - overlap)
    return [(start, min(start + tile, length)) for start in starts]


def _weights(start: int, end: int, length: int, overlap: int, device: torch.device) -> Tensor:
    """How much the pixels of a tile count, from 0 to 1; those of two neighbours add up to 1."""
    weights = torch.ones(end - start, device=device)
    if overlap == 0:
        return weights
    margin = overlap * 3 // 8
    ramp = ((torch.arange(overlap, device=device) + 0.5 - margin) / (overlap - 2 * margin)).clamp(0, 1)
    if start > 0:
        weights[:overlap] = ramp
    if end < length:
        weights[-overlap:] = 1 - ramp
    return weights
