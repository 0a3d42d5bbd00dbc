"""Translates images in tiles: the memory for activations does not grow with the image."""

from collections.abc import Callable

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError


def default_overlap(tile: int, size_multiple: int) -> int:
    """An eighth of a tile, rounded up to a multiple of the network's ``size_multiple``, but at most half a tile."""
    return min(-(-tile // (8 * size_multiple)) * size_multiple, tile // 2)


def check_tile(tile: int, overlap: int | None, size_multiple: int) -> None:
    """Check that the network and the blending support this tile size and overlap.

    Raises:
        UserError: with valid numbers.
    """
    if type(tile) is not int or tile < size_multiple or tile % size_multiple:
        below = max(size_multiple, tile // size_multiple * size_multiple) if type(tile) is int else size_multiple
        raise UserError(
            f"tile is {tile}; expected a side in pixels that the network accepts, a multiple of {size_multiple} such "
            f"as {below} or {below + size_multiple}"
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

    Every tile begins at a multiple of ``tile - overlap``. The last tile of a row ends with the image; ``generate`` pads
    it as it would pad the image. Where two tiles overlap, the outer three eighths of each, which lack most of their
    context, are discarded, and the quarter between them is blended. A network whose receptive field extends no farther
    than three eighths of ``overlap`` therefore generates the same as for the undivided image, if tiles begin at
    multiples of its ``size_multiple``.

    Args:
        generate: (1, planes, h, w) pixels, h and w at most ``tile`` -> (1, C, h, w) floats.
        finish: (1, C, h, W) floats -> (1, channels, h, W) pixels on the CPU.
        image: (1, planes, H, W) pixels.
        tile: side of a tile in pixels; see ``check_tile``.
        overlap: pixels that neighbouring tiles share.

    Returns:
        (1, channels, H, W) pixels on the CPU. Apart from it and ``image``, only the floats of one row of tiles are in
        memory.
    """
    height, width = image.shape[-2:]
    result: Tensor | None = None
    carried: Tensor | None = None  # the row of tiles above, where it overlaps this one
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
    """Start and end of each tile along one side."""
    starts = range(0, max(length - overlap, 1), tile - overlap)
    return [(start, min(start + tile, length)) for start in starts]


def _weights(start: int, end: int, length: int, overlap: int, device: torch.device) -> Tensor:
    """Blending weights of the pixels of a tile, from 0 to 1; those of two neighbours add up to 1."""
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
