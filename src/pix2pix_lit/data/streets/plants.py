"""Trees, bushes and hedges."""

from dataclasses import dataclass

import cv2
import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, Color, Dice, mix
from pix2pix_lit.data.streets.texture import VARIANTS, foliage
from pix2pix_lit.images.palettes import Label

_GREENS: tuple[Color, ...] = ((88, 122, 48), (70, 108, 50), (105, 128, 58), (60, 96, 52), (120, 132, 56))
_AUTUMN: tuple[Color, ...] = ((170, 120, 40), (150, 85, 40), (175, 145, 60))
# How much of the dark, the mean and the bright tone of leaves goes into each brightness: (256, 3).
_RAMP = np.stack([np.interp(np.arange(256), (10, 105, 235), tone) for tone in np.eye(3)], -1)
_BARK: Color = (92, 78, 64)


@dataclass(frozen=True)
class Plant:
    """A crown of leaves, on a trunk if it starts above the ground."""

    s: float
    z: float
    low_m: float
    high_m: float
    width_m: float
    shape: str
    variant: int
    mirrored: bool
    color: Color

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.z

    @classmethod
    def tree(cls, dice: Dice, s: float, z: float, size: float = 1.0, autumn: bool = False) -> "Plant":
        """A tree about 5 to 12 m high at ``size`` 1."""
        shape = "round" if dice.chance(0.6) else dice.pick(("tall", "tall", "cone"))
        high = dice.between(5.5, 12.0) * size
        width = high * {"round": dice.between(0.65, 1.0), "tall": 0.5, "cone": 0.42}[shape]
        low = high * (dice.between(0.2, 0.36) if shape != "cone" else 0.08)
        color = dice.pick(_AUTUMN) if autumn and dice.chance(0.6) else dice.pick(_GREENS)
        return cls(s, z, low, high, width, shape, dice.whole(0, VARIANTS - 1), dice.chance(0.5), dice.shade(color, 0.2))

    @classmethod
    def bush(cls, dice: Dice, s: float, z: float, high_m: float = 1.4, wide: float = 1.6) -> "Plant":
        """A bush that starts at the ground."""
        high = high_m * dice.between(0.8, 1.25)
        color = dice.shade(dice.pick(_GREENS), 0.2)
        variant = dice.whole(0, VARIANTS - 1)
        return cls(s, z, -0.08, high, high * wide, "bush", variant, dice.chance(0.5), color)

    def cast(self, canvas: Canvas) -> None:
        """Throw the crown's dappled shadow."""
        if self.z > 45:
            return
        reach_s, reach_z = canvas.light.shadow_reach()
        middle = (self.low_m + self.high_m) / 2
        radius = self.width_m * 0.5
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ground = np.zeros((12, 3))
        ground[:, 0] = self.s + middle * reach_s + radius * np.cos(angle)
        ground[:, 2] = self.z + middle * reach_z + radius * np.sin(angle)
        canvas.cast(ground, 150)
        if self.low_m > 0.5:
            trunk = np.array([[self.s + side, 0, self.z] for side in (-0.12, 0.12)])
            canvas.cast_block(trunk, middle)

    def paint(self, canvas: Canvas) -> None:
        """Paint trunk and crown."""
        if not canvas.camera.may_see(self.s, self.z, self.width_m / 2):
            return
        light = canvas.light
        if self.low_m > 0.5:
            half = 0.011 * self.high_m + 0.05
            top = self.low_m + 0.35 * (self.high_m - self.low_m)
            corners = [(-half * 1.3, 0), (half * 1.3, 0), (half * 0.7, top), (-half * 0.7, top)]
            trunk = canvas.camera.project(np.array([(self.s + dx, y, self.z) for dx, y in corners]))
            canvas.fill(trunk, Label.VEGETATION, canvas.tone(_BARK, self.z, light.ambient + 0.3 * light.sun, 90))
            lit = [(half * 0.2, 0), (half * 1.1, 0), (half * 0.6, top), (half * 0.1, top)]
            if light.to_sun[0] < 0:
                lit = [(-dx, y) for dx, y in lit]
            side = canvas.camera.project(np.array([(self.s + dx, y, self.z) for dx, y in lit]))
            canvas.detail([side], canvas.tone(_BARK, self.z, light.ambient + 0.7 * light.sun, 90))
        self._paint_crown(canvas)

    def _paint_crown(self, canvas: Canvas) -> None:
        camera, light = canvas.camera, canvas.light
        left, top = camera.point(self.s - self.width_m / 2, self.high_m, self.z)
        right, bottom = camera.point(self.s + self.width_m / 2, self.low_m, self.z)
        first_column, last_column = max(0, round(left)), min(camera.width, round(right))
        first_row, last_row = max(0, round(top)), min(camera.height, round(bottom))
        if first_column >= last_column or first_row >= last_row:
            return
        sizes = foliage(self.shape, self.variant)
        level = 0
        while level + 1 < len(sizes) and sizes[level + 1].shape[0] >= 0.8 * (bottom - top):
            level += 1
        sprite = sizes[level]
        scale_column, scale_row = sprite.shape[1] / (right - left), sprite.shape[0] / (bottom - top)
        offset_column = (first_column + 0.5 - left) * scale_column - 0.5
        if self.mirrored:
            scale_column, offset_column = -scale_column, sprite.shape[1] - 1 - offset_column
        matrix = np.array([[scale_column, 0, offset_column], [0, scale_row, (first_row + 0.5 - top) * scale_row - 0.5]])
        size = (last_column - first_column, last_row - first_row)
        leaves = cv2.warpAffine(sprite, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        flip = -1.0 if self.mirrored else 1.0
        weights = (0.0, flip * 0.75 * light.to_sun[0], 0.3 + 0.55 * light.to_sun[1], 1.0)
        brightness: np.ndarray = cv2.transform(leaves, np.array([[*weights, 112 - 128 * sum(weights)]]))
        covered = cv2.threshold(cv2.extractChannel(leaves, 0), 127, 255, cv2.THRESH_BINARY)[1]
        # One look-up of four bytes at once is far cheaper than four.
        image = self._ramp(canvas).view(np.uint32).ravel()[brightness].view(np.uint8)
        canvas.stamp(image.reshape(*brightness.shape, 4), covered, (first_row, first_column), Label.VEGETATION)

    def _ramp(self, canvas: Canvas) -> np.ndarray:
        """What brightness 0 to 255 of the crown looks like: (256, 4) uint8."""
        light = canvas.light
        dark = canvas.tone(mix(self.color, (18, 34, 24), 0.75), self.z, light.ambient * 0.8 + 0.15 * light.sun, 40)
        mean = canvas.tone(self.color, self.z, light.ambient * 0.9 + 0.4 * light.sun, 40)
        sunlit = mix(self.color, (215, 220, 95), 0.35)
        bright = canvas.tone(sunlit, self.z, light.ambient * 1.1 + 0.95 * light.sun, 40)
        return np.minimum(_RAMP @ np.array((dark, mean, bright)), 255).astype(np.uint8)
