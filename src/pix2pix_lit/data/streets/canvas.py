"""The tools for drawing a street scene: random numbers, camera, light, and the canvases of labels and photo.

World coordinates are (s, y, z) in metres: ``s`` to the right of the camera measured across the street, ``y`` up
from the ground, ``z`` along the street. A bend shifts the cross-section sideways by ``bend * z**2``: objects are placed
as if the street were straight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np

from pix2pix_lit.images.palettes import Label

Color = tuple[float, float, float]
T = TypeVar("T")

NEAR_M = 0.35  # nothing is projected from closer than this
_SHIFT = 4  # fractional bits of the fixed-point coordinates that cv2 draws with
_UNIT = 1 << _SHIFT


class Dice:
    """Fast scalar random numbers from a NumPy generator; the only source of randomness in a scene."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._pool: list[float] = []

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        if not self._pool:
            self._pool = self._rng.random(512).tolist()
        return self._pool.pop()

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def whole(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(self.unit() * len(choices))]

    def shade(self, color: Color, amount: float) -> Color:
        """The colour, brighter or darker by up to ``amount`` (a fraction) and slightly off in hue."""
        gain = 1 + self.between(-amount, amount)
        hue = amount / 3
        return (
            color[0] * gain * (1 + self.between(-hue, hue)),
            color[1] * gain * (1 + self.between(-hue, hue)),
            color[2] * gain * (1 + self.between(-hue, hue)),
        )


def mix(first: Color, second: Color, share: float) -> Color:
    """``share`` of the second colour in the first."""
    keep = 1 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


@dataclass(frozen=True)
class View:
    """Where the camera stands, in units that do not depend on the picture's size."""

    horizon: float  # row of the horizon as a fraction of the picture's height
    heading: float  # sideways shift of the vanishing point, in focal lengths
    height_m: float
    bend: float  # 1 / (2 * radius of the street's curve in metres), signed
    zoom: float


class Camera:
    """Projects world coordinates onto a picture of ``height`` x ``width`` pixels."""

    def __init__(self, view: View, height: int, width: int) -> None:
        self.view = view
        self.height, self.width = height, width
        # The geometric mean keeps objects in shape at any aspect ratio; a wide picture sees more of the sides.
        self.focal = view.zoom * math.sqrt(height * width)
        self.centre = width * 0.5 + self.focal * view.heading
        self.horizon = height * view.horizon

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) as fixed-point pixel positions (..., 2) int32, ready for ``Canvas``."""
        column, ground_row, scale = self.stand(points[..., 0], points[..., 2])
        pixels = np.empty((*points.shape[:-1], 2), np.int32)
        pixels[..., 0] = column
        pixels[..., 1] = ground_row - points[..., 1] * scale
        return pixels

    def stand(self, s: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Column and row of places on the ground, and the height of a metre there in rows, all in fixed point.

        This suffices for upright objects: a point ``y`` above the ground is at ``row - y * rows_per_metre``.
        """
        z = np.maximum(z, NEAR_M)
        scale = (self.focal * _UNIT) / z
        column = (s + self.view.bend * z * z) * scale + (self.centre * _UNIT - _UNIT / 2 + 0.5)
        return column, self.view.height_m * scale + (self.horizon * _UNIT - _UNIT / 2 + 0.5), scale

    def may_see(self, s: float, z: float, reach: float) -> bool:
        """Whether something within ``reach`` metres to either side of (s, z) can be in the picture at all."""
        column, _ = self.point(s, 0.0, z)
        around = reach * self.pixels_per_metre(z)
        return column + around >= 0 and column - around <= self.width

    def sees(self, pixels: np.ndarray) -> bool:
        """False if fixed-point pixel positions (..., 2) are all beyond the left or all beyond the right edge."""
        columns = pixels[..., 0]
        return bool(columns.max() >= 0 and columns.min() < self.width * _UNIT)

    def point(self, s: float, y: float, z: float) -> tuple[float, float]:
        """One world point as (column, row) in continuous pixels."""
        z = max(z, NEAR_M)
        scale = self.focal / z
        column = self.centre + (s + self.view.bend * z * z) * scale
        return column, self.horizon + (self.view.height_m - y) * scale

    def pixels_per_metre(self, z: float) -> float:
        """How large a metre appears at distance ``z``."""
        return self.focal / max(z, NEAR_M)


@dataclass(frozen=True)
class Light:
    """Sun, ambient light and air of a scene."""

    sun: float  # strength of direct light
    ambient: float
    to_sun: tuple[float, float, float]  # unit vector (s, y, z) towards the sun
    tint: Color  # colour of all light, about 1
    zenith: Color
    haze: Color  # also the sky's colour at the horizon
    haze_m: float  # distance at which about 63 % is haze
    clouds: float  # covered share of the sky, 0 to 1
    exposure: float
    gamma: float

    def on(self, normal_s: float, normal_y: float, normal_z: float) -> float:
        """Brightness of a surface with this unit normal."""
        direct = normal_s * self.to_sun[0] + normal_y * self.to_sun[1] + normal_z * self.to_sun[2]
        return self.ambient * (0.85 + 0.15 * normal_y) + self.sun * max(0.0, direct)

    def shadow_reach(self) -> tuple[float, float]:
        """Where the shadow of a point 1 m high falls: (s, z) offset in metres."""
        per_metre = -1 / max(self.to_sun[1], 0.35)
        return self.to_sun[0] * per_metre, self.to_sun[2] * per_metre


class Canvas:
    """The label map and the photo, always painted together so that they stay registered.

    Attributes:
        labels: (H, W) uint8 train ids.
        photo: (H, W, 4) uint8; RGB, and how rough the surface is (the strength of the grain added at the end).
        shadow: (H, W) uint8; 255 where the ground lies in full shadow.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera, self.light = camera, light
        self.labels = np.full((camera.height, camera.width), int(Label.SKY), np.uint8)
        self.photo = np.zeros((camera.height, camera.width, 4), np.uint8)
        self.shadow = np.zeros((camera.height, camera.width), np.uint8)

    def tone(self, color: Color, z: float, light: float = 1.0, rough: float = 0.0) -> tuple[float, ...]:
        """The photo's value for a surface colour under ``light``, seen through the haze at distance ``z``."""
        clear = math.exp(-max(z, 0.0) / self.light.haze_m)
        tint, haze = self.light.tint, self.light.haze
        return (
            color[0] * tint[0] * light * clear + haze[0] * (1 - clear),
            color[1] * tint[1] * light * clear + haze[1] * (1 - clear),
            color[2] * tint[2] * light * clear + haze[2] * (1 - clear),
            rough * clear,
        )

    def fill(self, polygon: np.ndarray, label: int, value: tuple[float, ...]) -> None:
        """Paint one simple polygon (K, 2) of ``Camera.project`` on the labels and on the photo."""
        cv2.fillPoly(self.labels, [polygon], label, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self.photo, [polygon], value, cv2.LINE_AA, _SHIFT)

    def mark(self, polygon: np.ndarray, label: int) -> None:
        """Paint on the labels only, for objects that one can see through: wire fences, spokes."""
        cv2.fillPoly(self.labels, [polygon], label, cv2.LINE_8, _SHIFT)

    def detail(self, polygons: np.ndarray | Sequence[np.ndarray], value: tuple[float, ...]) -> None:
        """Paint polygons (N of (K, 2)) that must not overlap on the photo only, inside what ``fill`` covered."""
        cv2.fillPoly(self.photo, list(polygons), value, cv2.LINE_AA, _SHIFT)

    def lines(self, lines: np.ndarray | Sequence[np.ndarray], value: tuple[float, ...], thickness: int = 1) -> None:
        """Draw open lines (N of (K, 2)) on the photo only; thickness in pixels."""
        cv2.polylines(self.photo, list(lines), False, value, thickness, cv2.LINE_AA, _SHIFT)

    def cast(self, ground: np.ndarray, strength: int = 255) -> None:
        """Add the convex hull of world points (K, 3) on the ground to the shadows."""
        hull = cv2.convexHull(self.camera.project(ground))
        cv2.fillConvexPoly(self.shadow, hull, strength, cv2.LINE_AA, _SHIFT)

    def cast_block(self, base: np.ndarray, height_m: float, strength: int = 255) -> None:
        """Add the shadow of something this high that stands on the ground points ``base`` (K, 3)."""
        reach_s, reach_z = self.light.shadow_reach()
        top = base + np.array((height_m * reach_s, 0.0, height_m * reach_z))
        self.cast(np.vstack([base, top]), strength)

    def shaded(self, s: float, z: float) -> float:
        """Share of direct light missing at this place on the ground, 0 to 1, as far as the picture shows it."""
        column, row = self.camera.point(s, 0.0, z)
        row = min(max(int(row), 0), self.camera.height - 1)
        column = min(max(int(column), 0), self.camera.width - 1)
        return self.shadow.item(row, column) / 255

    def stamp(
        self,
        image: np.ndarray,
        covered: np.ndarray,
        top_left: tuple[int, int],  # row, column
        label: int,
    ) -> None:
        """Paint pixels (h, w, 4) where ``covered`` (h, w) uint8 is not 0; all of them must lie in the picture."""
        row, column = top_left
        height, width = covered.shape
        window = (slice(row, row + height), slice(column, column + width))
        cv2.copyTo(image, covered, self.photo[window])
        np.putmask(self.labels[window], covered, np.uint8(label))


class Thing(Protocol):
    """An object that stands on the ground."""

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        ...

    def cast(self, canvas: Canvas) -> None:
        """Add to the shadows on the ground."""
        ...

    def paint(self, canvas: Canvas) -> None:
        """Paint on labels and photo."""
        ...
