"""People on foot and on two wheels; bicycles and motorcycles."""

import math
from dataclasses import dataclass

import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, Color, Dice, mix
from pix2pix_lit.images.palettes import Label

_CLOTHES: tuple[Color, ...] = (
    (40, 44, 56), (70, 72, 80), (150, 40, 44), (60, 90, 150), (200, 196, 186), (60, 80, 60), (176, 150, 110),
    (24, 24, 28), (210, 120, 60), (110, 70, 110), (90, 130, 160),
)  # fmt: skip
_TROUSERS: tuple[Color, ...] = ((38, 44, 66), (28, 28, 32), (96, 92, 84), (60, 70, 96), (140, 128, 104))
_SKIN: tuple[Color, ...] = ((224, 182, 154), (196, 148, 116), (140, 96, 70), (96, 66, 50))
_HAIR: tuple[Color, ...] = ((40, 30, 24), (90, 62, 40), (170, 140, 90), (150, 148, 144), (24, 22, 22))
_CIRCLE = np.stack([np.cos(np.linspace(0, math.tau, 14)[:-1]), np.sin(np.linspace(0, math.tau, 14)[:-1])], -1)

Shape = tuple[np.ndarray, Color, float]  # (K, 2) in metres (right, up), colour, brightness


def _quad(x0: float, y0: float, x1: float, y1: float, width0: float, width1: float) -> np.ndarray:
    """A limb from one joint to another."""
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    across_x, across_y = -(y1 - y0) / length / 2, (x1 - x0) / length / 2
    return np.array(
        [
            (x0 + across_x * width0, y0 + across_y * width0),
            (x0 - across_x * width0, y0 - across_y * width0),
            (x1 - across_x * width1, y1 - across_y * width1),
            (x1 + across_x * width1, y1 + across_y * width1),
        ]
    )


def _disc(x: float, y: float, radius_x: float, radius_y: float) -> np.ndarray:
    return np.array([(x, y)]) + _CIRCLE * (radius_x, radius_y)


def _paint_shapes(canvas: Canvas, shapes: list[Shape], s: float, z: float, turn: float, label: int) -> None:
    """Paint flat shapes standing at (s, z), narrowed to ``turn`` of their width."""
    points = np.concatenate([shape[0] for shape in shapes])
    world = np.empty((len(points), 3))
    world[:, 0] = s + points[:, 0] * turn
    world[:, 1] = points[:, 1]
    world[:, 2] = z
    pixels = canvas.camera.project(world)
    light = canvas.light
    strength = light.ambient * 0.95 + light.sun * 0.65 * (1 - canvas.shaded(s, z))
    first = 0
    for outline, color, brightness in shapes:
        last = first + len(outline)
        canvas.fill(pixels[first:last], label, canvas.tone(color, z, strength * brightness, 22))
        first = last


def _cast_upright(canvas: Canvas, s: float, z: float, half_width: float, height: float) -> None:
    """The shadow of something thin that stands at (s, z)."""
    if not 2 < z < 45:
        return
    base = np.array(
        [
            (s - half_width, 0, z - 0.1),
            (s + half_width, 0, z - 0.1),
            (s + half_width, 0, z + 0.1),
            (s - half_width, 0, z + 0.1),
        ]
    )
    canvas.cast_block(base, height)


@dataclass(frozen=True)
class Person:
    """A pedestrian, or the rider of a ``TwoWheeler``."""

    s: float
    z: float
    height_m: float
    stride: float  # -1 to 1
    top: Color
    bottom: Color
    skin: Color
    hair: Color
    long_coat: bool
    bag: bool

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.z

    @classmethod
    def sample(cls, dice: Dice, s: float, z: float) -> "Person":
        """A random adult or child, standing or walking."""
        height = dice.between(1.55, 1.9) if dice.chance(0.88) else dice.between(1.0, 1.4)
        return cls(
            s,
            z,
            height,
            stride=dice.between(-1, 1),
            top=dice.shade(dice.pick(_CLOTHES), 0.25),
            bottom=dice.shade(dice.pick(_TROUSERS), 0.25),
            skin=dice.pick(_SKIN),
            hair=dice.pick(_HAIR),
            long_coat=dice.chance(0.25),
            bag=dice.chance(0.3),
        )

    def cast(self, canvas: Canvas) -> None:
        """Throw a long thin shadow."""
        _cast_upright(canvas, self.s, self.z, 0.22, self.height_m)

    def paint(self, canvas: Canvas) -> None:
        """Paint legs, arms, trunk and head."""
        if not canvas.camera.may_see(self.s, self.z, 0.6):
            return
        m = self.height_m
        step = 0.16 * self.stride * m
        swing = 0.1 * self.stride * m
        legs = [
            (_quad(-0.05 * m, 0.5 * m, -step - 0.03 * m, 0.02 * m, 0.11 * m, 0.065 * m), self.bottom, 0.85),
            (_quad(0.05 * m, 0.5 * m, step + 0.03 * m, 0.0, 0.11 * m, 0.065 * m), self.bottom, 1.0),
        ]
        hem = (0.3 if self.long_coat else 0.46) * m
        trunk = (
            np.array([(-0.09, hem / m), (0.09, hem / m), (0.125, 0.8), (0.07, 0.845), (-0.07, 0.845), (-0.125, 0.8)])
            * m
        )
        shapes: list[Shape] = [
            *legs,
            (_quad(-0.12 * m, 0.8 * m, -0.15 * m + swing, 0.45 * m, 0.07 * m, 0.05 * m), self.top, 0.8),
            (trunk, self.top, 1.0),
            (_quad(0.12 * m, 0.8 * m, 0.15 * m - swing, 0.45 * m, 0.07 * m, 0.05 * m), self.top, 0.9),
            (_disc(0, 0.925 * m, 0.058 * m, 0.075 * m), self.hair, 1.0),
            (_disc(0.01 * m * self.stride, 0.905 * m, 0.046 * m, 0.055 * m), self.skin, 1.0),
        ]
        if self.bag:
            shapes.append(
                (
                    np.array([(0.1, 0.4), (0.22, 0.4), (0.2, 0.56), (0.12, 0.56)]) * m,
                    mix(self.bottom, self.top, 0.5),
                    0.7,
                )
            )
        _paint_shapes(canvas, shapes, self.s, self.z, 1.0, Label.PERSON)


@dataclass(frozen=True)
class TwoWheeler:
    """A bicycle or motorcycle, parked or ridden."""

    s: float
    z: float
    motor: bool
    turn: float  # apparent length: 1 seen from the side, small seen from behind; the sign is the direction
    color: Color
    rider: Person | None

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.z

    @classmethod
    def sample(cls, dice: Dice, s: float, z: float, motor: bool, ridden: bool, turn: float) -> "TwoWheeler":
        """One in colours at random."""
        color = dice.shade(dice.pick(((30, 30, 34), (140, 30, 30), (40, 70, 130), (180, 180, 176), (50, 110, 70))), 0.2)
        return cls(s, z, motor, turn, color, Person.sample(dice, s, z) if ridden else None)

    def cast(self, canvas: Canvas) -> None:
        """Throw a shadow as long as the machine looks."""
        height = 1.6 if self.rider else 0.9
        _cast_upright(canvas, self.s, self.z, max(0.2, 0.8 * abs(self.turn)), height)

    def paint(self, canvas: Canvas) -> None:
        """Paint the vehicle, then its rider."""
        if not canvas.camera.may_see(self.s, self.z, 1.2):
            return
        turn = math.copysign(max(abs(self.turn), 0.16), self.turn)
        if self.motor:
            _paint_shapes(canvas, self._motorcycle(), self.s, self.z, turn, Label.MOTORCYCLE)
        else:
            self._paint_bicycle(canvas, turn)
        if self.rider is not None:
            _paint_shapes(
                canvas,
                self._seated(self.rider),
                self.s,
                self.z,
                max(abs(turn), 0.75) * math.copysign(1, turn),
                Label.RIDER,
            )

    def _motorcycle(self) -> list[Shape]:
        dark: Color = (28, 28, 32)
        shapes: list[Shape] = [
            (_disc(-0.68, 0.31, 0.31, 0.31), dark, 1.0),
            (_disc(0.7, 0.31, 0.31, 0.31), dark, 1.0),
            (_disc(-0.68, 0.31, 0.16, 0.16), (120, 122, 126), 1.0),
            (_disc(0.7, 0.31, 0.16, 0.16), (120, 122, 126), 1.0),
            (np.array([(-0.5, 0.25), (0.4, 0.25), (0.5, 0.62), (-0.75, 0.62)]), (70, 72, 76), 0.9),
            (
                np.array(
                    [
                        (-0.9, 0.72),
                        (-0.15, 0.62),
                        (0.45, 0.66),
                        (0.36, 0.95),
                        (0.0, 0.92),
                        (-0.2, 0.8),
                        (-0.9, 0.84),
                    ]
                ),
                self.color,
                1.0,
            ),
            (np.array([(-0.85, 0.8), (-0.1, 0.78), (-0.1, 0.86), (-0.85, 0.88)]), dark, 1.0),
            (_quad(0.7, 0.31, 0.42, 1.0, 0.09, 0.08), (110, 112, 116), 1.0),
            (_quad(0.25, 1.04, 0.52, 0.98, 0.06, 0.06), dark, 1.0),
            (_disc(0.55, 0.86, 0.1, 0.1), (230, 230, 220), 1.0),
        ]
        if abs(self.turn) < 0.5:  # from behind or in front the body is wider than the flat side view shows
            shapes.insert(0, (_disc(0, 0.65, 1.2, 0.36), mix(self.color, dark, 0.4), 0.8))
        return shapes

    def _paint_bicycle(self, canvas: Canvas, turn: float) -> None:
        tube = 0.05
        dark: Color = (30, 30, 32)
        shapes: list[Shape] = []
        for x in (-0.52, 0.52):
            ring = np.concatenate([_disc(x, 0.34, 0.34, 0.34), _disc(x, 0.34, 0.27, 0.27)[::-1]])
            # One outline that runs around outside and back inside leaves the hole between the spokes open.
            ring = np.concatenate([ring[:13], ring[:1], ring[-1:], ring[13:]])
            shapes.append((ring, dark, 1.0))
        frame = (
            (-0.52, 0.34, -0.1, 0.3),
            (-0.1, 0.3, 0.36, 0.8),
            (-0.1, 0.3, -0.22, 0.88),
            (-0.2, 0.78, 0.36, 0.82),
            (-0.52, 0.34, -0.2, 0.78),
            (0.52, 0.34, 0.34, 0.98),
        )
        shapes += [(_quad(x0, y0, x1, y1, tube, tube), self.color, 1.0) for x0, y0, x1, y1 in frame]
        shapes.append((_quad(-0.36, 0.9, -0.08, 0.9, 0.09, 0.07), dark, 1.0))
        shapes.append((_quad(0.2, 1.04, 0.44, 0.98, 0.06, 0.06), dark, 1.0))
        _paint_shapes(canvas, shapes, self.s, self.z, turn, Label.BICYCLE)

    def _seated(self, person: Person) -> list[Shape]:
        seat = 0.86
        head: Color = person.hair if not self.motor else mix(self.color, (30, 30, 30), 0.3)
        reach = 0.3 if self.motor else 0.28
        return [
            (_quad(-0.2, seat, 0.2, 0.72, 0.16, 0.14), person.bottom, 0.85),
            (_quad(0.2, 0.74, 0.02, 0.2, 0.13, 0.1), person.bottom, 1.0),
            (_quad(0.02, 0.16, 0.14, 0.14, 0.09, 0.08), (30, 28, 28), 1.0),
            (
                np.array([(-0.36, seat - 0.04), (-0.06, seat - 0.04), (0.16, 1.38), (0.04, 1.48), (-0.16, 1.42)]),
                person.top,
                1.0,
            ),
            (_quad(0.04, 1.36, 0.2, 1.12, 0.12, 0.1), person.top, 0.85),
            (_quad(0.2, 1.14, reach, 1.02, 0.09, 0.07), person.skin, 0.9),
            (_disc(0.1, 1.6, 0.115, 0.14), head, 1.0),
            (_disc(0.14, 1.57, 0.07, 0.09), person.skin, 1.0),
        ]
