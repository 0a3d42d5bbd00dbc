"""Street furniture: poles, lamps, traffic lights, signs, bollards, walls and fences."""

import math
from dataclasses import dataclass

import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, Color, Dice, mix
from pix2pix_lit.images.palettes import Label

_METAL: Color = (128, 130, 130)


def _upright(canvas: Canvas, s: float, z: float, low: float, high: float, width: float) -> np.ndarray:
    """A vertical bar, never thinner than a pixel so that it survives any size."""
    half = max(width, 1.0 / canvas.camera.pixels_per_metre(z)) / 2
    corners = [(s - half, low, z), (s + half, low, z), (s + half, high, z), (s - half, high, z)]
    return canvas.camera.project(np.array(corners))


def _lit(canvas: Canvas, s: float, z: float, share: float = 0.55) -> float:
    """Brightness of something upright at this place."""
    return canvas.light.ambient + canvas.light.sun * share * (1 - canvas.shaded(s, z))


def _flat(canvas: Canvas, s: float, y: float, z: float, outline: list[tuple[float, float]]) -> np.ndarray:
    """An outline in metres (right, up) around a point, facing the camera."""
    return canvas.camera.project(np.array([(s + dx, y + dy, z) for dx, dy in outline]))


def _regular(corners: int, radius: float, turned: float = 0.0) -> list[tuple[float, float]]:
    angles = [math.tau * (corner / corners + turned) for corner in range(corners)]
    return [(radius * math.sin(angle), radius * math.cos(angle)) for angle in angles]


@dataclass(frozen=True)
class Pole:
    """A pole with its lamp, traffic lights and sign."""

    s: float
    z: float
    height_m: float
    width_m: float
    color: Color
    arm_m: float = 0.0  # signed length of an arm at the top, to the right
    arm_light: bool = False  # a traffic light hangs from the arm
    light_m: float = 0.0  # height of a traffic light at the pole
    lit: int = 0  # 0 red, 1 amber, 2 green
    light_seen_from_behind: bool = False
    sign: str = ""  # "round", "triangle", "square", "octagon", "board" or "back"
    sign_m: float = 0.0  # height of the sign's centre
    sign_color: Color = (0.0, 0.0, 0.0)

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.z

    @classmethod
    def lamp(cls, dice: Dice, s: float, z: float, inwards: int) -> "Pole":
        """A street lamp whose arm reaches over the street."""
        arm = inwards * dice.between(0.8, 2.2) if dice.chance(0.7) else 0.0
        return cls(s, z, dice.between(5.5, 9.0), dice.between(0.13, 0.2), dice.shade(_METAL, 0.3), arm)

    @classmethod
    def traffic_light(cls, dice: Dice, s: float, z: float, inwards: int) -> "Pole":
        """A traffic light, some with a second head on an arm over the street, some with a sign."""
        over = dice.chance(0.35)
        return cls(
            s, z, 5.6 if over else 3.4, dice.between(0.11, 0.16), dice.shade((110, 112, 112), 0.3),
            arm_m=inwards * dice.between(2.5, 4.5) if over else 0.0, arm_light=over, light_m=2.7,
            lit=dice.pick((0, 0, 1, 2, 2)), light_seen_from_behind=dice.chance(0.2),
            sign=dice.pick(("", "", "square", "triangle")), sign_m=1.9, sign_color=(40, 80, 160),
        )  # fmt: skip

    @classmethod
    def sign_post(cls, dice: Dice, s: float, z: float) -> "Pole":
        """A traffic sign."""
        sign = dice.pick(("round", "round", "triangle", "square", "octagon", "board", "back"))
        color = dice.pick(((190, 30, 34), (36, 80, 165), (225, 190, 40), (40, 120, 70)))
        height = dice.between(2.2, 2.9)
        return cls(s, z, height + 0.3, 0.07, dice.shade(_METAL, 0.15), sign=sign, sign_m=height, sign_color=color)

    @classmethod
    def bollard(cls, dice: Dice, s: float, z: float) -> "Pole":
        """A knee-high post."""
        return cls(
            s, z, dice.between(0.8, 1.1), 0.12, dice.shade(dice.pick((_METAL, (70, 70, 72), (190, 60, 50))), 0.2)
        )

    def cast(self, canvas: Canvas) -> None:
        """Throw a thin shadow."""
        if not 2 < self.z < 40:
            return
        base = np.array([(self.s - 0.07, 0, self.z), (self.s + 0.07, 0, self.z)])
        canvas.cast_block(base, self.height_m, 220)

    def paint(self, canvas: Canvas) -> None:
        """Paint the pole, its arm, then lights and signs."""
        if not canvas.camera.may_see(self.s, self.z, 1.0 + abs(self.arm_m)):
            return
        shade = _lit(canvas, self.s, self.z)
        value = canvas.tone(self.color, self.z, shade, 10)
        canvas.fill(_upright(canvas, self.s, self.z, 0, self.height_m, self.width_m), Label.POLE, value)
        if self.arm_m:
            thick = max(0.09, 1.0 / canvas.camera.pixels_per_metre(self.z))
            rise = 0.0 if self.arm_light else 0.35
            arm = [(0.0, -thick), (self.arm_m, rise - thick), (self.arm_m, rise), (0.0, 0.0)]
            canvas.fill(_flat(canvas, self.s, self.height_m, self.z, arm), Label.POLE, value)
            if not self.arm_light:
                head = [(0.0, -0.02), (-0.7 * math.copysign(1, self.arm_m), -0.08), (0.0, -0.2)]
                lamp = _flat(canvas, self.s + self.arm_m, self.height_m + rise, self.z, head)
                canvas.fill(lamp, Label.POLE, canvas.tone((196, 196, 190), self.z, shade, 0))
        if self.arm_light:
            self._paint_light(canvas, self.s + self.arm_m * 0.95, self.height_m - 0.55)
        if self.light_m:
            self._paint_light(canvas, self.s, self.light_m)
        if self.sign:
            self._paint_sign(canvas)

    def _paint_light(self, canvas: Canvas, s: float, y: float) -> None:
        box = [(-0.19, -0.5), (0.19, -0.5), (0.19, 0.5), (-0.19, 0.5)]
        shade = _lit(canvas, self.s, self.z, 0.4)
        body = canvas.tone((34, 38, 36), self.z, shade, 6)
        canvas.fill(_flat(canvas, s, y, self.z, box), Label.TRAFFIC_LIGHT, body)
        if self.light_seen_from_behind:
            return
        colors: tuple[Color, ...] = ((255, 50, 40), (255, 190, 40), (60, 255, 140))
        for number, color in enumerate(colors):
            disc = _flat(canvas, s, y + 0.32 - 0.32 * number, self.z, _regular(10, 0.125))
            on = number == self.lit
            value = canvas.tone(color if on else mix(color, (20, 20, 20), 0.75), self.z, 1.15 if on else shade, 0)
            canvas.detail([disc], value)

    def _paint_sign(self, canvas: Canvas) -> None:
        shade = _lit(canvas, self.s, self.z, 0.5)
        white, edge = (232, 232, 228), self.sign_color
        shapes = {
            "round": (_regular(14, 0.36), 0.72, edge, white),
            "triangle": (_regular(3, 0.5), 0.62, (196, 30, 34), white),
            "square": (_regular(4, 0.46, 0.125), 0.86, white, edge),
            "octagon": (_regular(8, 0.42, 1 / 16), 0.9, white, (196, 30, 34)),
            "board": ([(-0.75, -0.28), (0.75, -0.28), (0.75, 0.28), (-0.75, 0.28)], 0.9, white, edge),
            "back": (_regular(14, 0.36), 0.9, (120, 120, 118), (146, 146, 144)),
        }
        outline, inside, rim, middle = shapes[self.sign]

        def at(points: list[tuple[float, float]]) -> np.ndarray:
            return _flat(canvas, self.s, self.sign_m, self.z, points)

        canvas.fill(at(outline), Label.TRAFFIC_SIGN, canvas.tone(rim, self.z, shade, 0))
        canvas.detail([at([(x * inside, y * inside) for x, y in outline])], canvas.tone(middle, self.z, shade, 0))
        if self.sign in ("square", "octagon", "board"):
            bar = [(x * 0.55, y * 0.18) for x, y in ((-0.5, -1), (0.5, -1), (0.5, 1), (-0.5, 1))]
            canvas.detail([at(bar)], canvas.tone(white, self.z, shade, 0))
        elif self.sign != "back":
            bar = [(x * 0.07, y * 0.16) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            canvas.detail([at(bar)], canvas.tone((40, 40, 44), self.z, shade, 0))


@dataclass(frozen=True)
class Barrier:
    """A short piece of wall or fence along or across the street; long ones are made of many, sorted by depth."""

    kind: str  # "wall", "boards", "bars" or "mesh"
    start: tuple[float, float]  # (s, z)
    end: tuple[float, float]
    height_m: float
    color: Color
    painted: Color | None = None  # a poster or graffito

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return max(self.start[1], self.end[1])

    def cast(self, canvas: Canvas) -> None:
        """Throw a strip of shadow."""
        if self.depth > 35:
            return
        base = np.array([(s, 0.0, z) for s, z in (self.start, self.end)])
        strength = 255 if self.kind in ("wall", "boards") else 110
        canvas.cast_block(base, self.height_m, strength)

    def _panel(self, along: tuple[float, float], low: float, high: float) -> list[tuple[float, float, float]]:
        (s0, z0), (s1, z1) = self.start, self.end
        first = (s0 + (s1 - s0) * along[0], z0 + (z1 - z0) * along[0])
        last = (s0 + (s1 - s0) * along[1], z0 + (z1 - z0) * along[1])
        return [
            (first[0], low, first[1]),
            (last[0], low, last[1]),
            (last[0], high, last[1]),
            (first[0], high, first[1]),
        ]

    def paint(self, canvas: Canvas) -> None:
        """Paint the panel; through bars and mesh the photo keeps what is behind."""
        camera = canvas.camera
        length = math.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])
        normal_s, normal_z = (self.end[1] - self.start[1]) / length, -(self.end[0] - self.start[0]) / length
        middle_s = (self.start[0] + self.end[0]) / 2
        if normal_s * middle_s > 0:  # turn it towards the street
            normal_s = -normal_s
        shade = canvas.light.on(normal_s, 0, -abs(normal_z))
        distance = (self.start[1] + self.end[1]) / 2

        def tone(color: Color, light: float = 1.0) -> tuple[float, ...]:
            return canvas.tone(color, distance, shade * light, 46)

        def project(panels: list[list[tuple[float, float, float]]]) -> np.ndarray:
            return camera.project(np.array(panels))

        whole = project([self._panel((0.0, 1.0), 0.0, self.height_m)])
        if not camera.sees(whole):
            return
        if self.kind == "wall":
            canvas.fill(whole[0], Label.WALL, tone(self.color))
            canvas.detail(project([self._panel((0, 1), self.height_m - 0.14, self.height_m)]), tone(self.color, 1.18))
            heights = [0.35 * course for course in range(1, int(self.height_m / 0.35))]
            canvas.lines(
                project([self._panel((0, 1), y, y)[:2] for y in heights]) if heights else [], tone(self.color, 0.8)
            )
            if self.painted:
                poster = self._panel((0.2, 0.8), 0.25 * self.height_m, 0.75 * self.height_m)
                canvas.detail(project([poster]), tone(self.painted))
        elif self.kind == "boards":
            canvas.fill(whole[0], Label.FENCE, tone(self.color))
            count = max(2, int(length / 0.3))
            gaps = [self._panel((i / count, (i + 0.15) / count), 0, self.height_m) for i in range(count)]
            canvas.detail(project(gaps), tone(self.color, 0.6))
        else:
            canvas.mark(whole[0], Label.FENCE)
            step = 0.16 if self.kind == "bars" else 0.3
            count = max(2, int(length / max(step, 2.5 / camera.pixels_per_metre(distance))))
            uprights = [self._panel((i / count, i / count), 0, self.height_m)[1:3] for i in range(count + 1)]
            rails = [self._panel((0, 1), y * self.height_m, y * self.height_m)[:2] for y in (0.1, 0.95)]
            if self.kind == "mesh":
                rails += [self._panel((0, 1), y * self.height_m, y * self.height_m)[:2] for y in (0.3, 0.5, 0.72)]
            canvas.lines(project(uprights + rails), tone(self.color))
            canvas.detail(project([self._panel((0, 0.03), 0, self.height_m)]), tone(self.color, 0.8))
