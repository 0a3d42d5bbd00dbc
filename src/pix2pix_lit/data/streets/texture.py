"""Noise and foliage textures of street scenes, computed once per process from fixed seeds."""

from functools import cache

import cv2
import numpy as np

TILE = 512  # pixels; a power of two, so that wrapping is cheap


@cache
def grain_tile() -> np.ndarray:
    """White noise, (TILE, TILE) float32, mean 0, deviation 1."""
    return np.random.default_rng(101).standard_normal((TILE, TILE), np.float32)


@cache
def fractal_tile(first_octave: int, roughness: float) -> np.ndarray:
    """Seamless multi-octave noise, (TILE, TILE) float32, mean 0, deviation 1.

    Args:
        first_octave: 2**first_octave blobs along a side in the coarsest octave.
        roughness: amplitude of each octave relative to the one before it.
    """
    rng = np.random.default_rng([202, first_octave])
    total = np.zeros((TILE, TILE), np.float32)
    amplitude = 1.0
    for octave in range(first_octave, 9):
        cells = 2**octave
        coarse = rng.standard_normal((cells, cells), np.float32)
        pad = 2
        wrapped = np.pad(coarse, pad, mode="wrap")
        scale = TILE // cells
        large = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += amplitude * large[pad * scale : pad * scale + TILE, pad * scale : pad * scale + TILE]
        amplitude *= roughness
    return (total - total.mean()) / total.std()


def window(
    tile: np.ndarray, size: tuple[int, int], offset: np.ndarray, scale: float | tuple[float, float]
) -> np.ndarray:
    """A part, ``size`` (height, width), of an endlessly repeated tile, float32.

    Args:
        tile: (TILE, TILE) float32.
        offset: (row, column) of the top left corner, in tile pixels.
        scale: tile pixels per output pixel, or that for (row, column).
    """
    row_scale, column_scale = scale if isinstance(scale, tuple) else (scale, scale)
    matrix = np.array([[column_scale, 0, offset[1]], [0, row_scale, offset[0]]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(tile, matrix, (size[1], size[0]), flags=flags, borderMode=cv2.BORDER_WRAP)


# The outlines a crown can have: (row of the widest part, sharpness of the top), both as fractions.
_OUTLINES = {"round": (0.5, 0.5), "tall": (0.62, 0.8), "cone": (0.9, 1.0), "bush": (0.72, 0.45)}
SHAPES = tuple(_OUTLINES)
VARIANTS = 4
_SPRITE = 128


@cache
def foliage(shape: str, variant: int) -> tuple[np.ndarray, ...]:
    """One crown of leaves, from 128 pixels a side down to 8, halving: each (n, n, 4) uint8.

    Channels: cover (leaf where above 127), then three centred on 128: the surface's slope to the right, its slope
    upwards, and light and dark clumps of leaves.
    """
    rng = np.random.default_rng([303, SHAPES.index(shape), variant])
    widest, sharpness = _OUTLINES[shape]
    row, column = np.mgrid[0:_SPRITE, 0:_SPRITE].astype(np.float32) / _SPRITE
    # Height above the picture plane: the highest of many balls of leaves that fill the outline.
    relief = np.zeros((_SPRITE, _SPRITE), np.float32)
    for _ in range(70):
        centre_row = rng.uniform(0.1, 0.92)
        if centre_row < widest:
            reach = ((centre_row - 0.02) / widest) ** sharpness
        else:
            reach = np.sqrt(max(0.0, 1 - ((centre_row - widest) / (1.04 - widest)) ** 2))
        radius = rng.uniform(0.07, 0.17) * (0.55 + 0.45 * reach)
        centre_column = 0.5 + rng.uniform(-1, 1) * max(0.0, 0.47 * reach - radius)
        squared = (radius**2 - (row - centre_row) ** 2 - (column - centre_column) ** 2) / radius**2
        lift = 0.15 * np.sqrt(max(0.0, 1 - ((centre_column - 0.5) / 0.5) ** 2))
        relief = np.maximum(relief, np.where(squared > 0, np.sqrt(np.maximum(squared, 0)) * radius + lift, 0))
    first_row, first_column = rng.integers(0, TILE - _SPRITE, 2)
    leaves = fractal_tile(5, 0.85)[first_row : first_row + _SPRITE, first_column : first_column + _SPRITE]
    clumps = fractal_tile(3, 0.8)[first_row : first_row + _SPRITE, first_column : first_column + _SPRITE]
    smooth = cv2.GaussianBlur(relief + 0.012 * leaves, (0, 0), 1.2)
    solid = cv2.GaussianBlur((relief > 0).astype(np.float32), (0, 0), 1.5)
    cover = solid - 0.5 + 0.16 * leaves * (1 - np.abs(2 * solid - 1)) - 0.42 * (clumps + 0.5 * leaves > 2.4)
    slope_right = cv2.Sobel(smooth, -1, 1, 0) * -0.9
    slope_up = cv2.Sobel(smooth, -1, 0, 1) * 0.9
    depth = 1.6 * (smooth - cv2.GaussianBlur(smooth, (0, 0), 9)) / 0.08
    sprite = np.stack([cover * 255, slope_right * 600, slope_up * 600, 22 * leaves + 10 * clumps + 14 * depth], -1)
    largest = np.clip(sprite + 128, 0, 255).astype(np.uint8)
    sizes = [largest]
    while sizes[-1].shape[0] > 8:
        sizes.append(cv2.resize(sizes[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return tuple(sizes)
