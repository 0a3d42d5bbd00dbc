"""Buildings: walls, rows of windows, ground floors and roofs, in perspective."""

from dataclasses import dataclass, replace

import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, Color, Dice, mix
from pix2pix_lit.images.palettes import Label

_WALLS: tuple[Color, ...] = (
    (214, 205, 188),
    (228, 224, 214),
    (205, 186, 140),
    (176, 120, 92),
    (150, 88, 70),
    (168, 164, 158),
    (198, 170, 150),
    (140, 138, 134),
    (188, 196, 190),
    (222, 196, 160),
    (120, 112, 104),
    (176, 184, 200),
)
_ROOFS: tuple[Color, ...] = ((140, 72, 54), (96, 74, 66), (84, 86, 92), (120, 96, 84))
_AWNINGS: tuple[Color, ...] = (
    (170, 40, 40),
    (40, 90, 60),
    (40, 60, 120),
    (200, 180, 120),
    (90, 90, 96),
    (200, 120, 40),
)
_NEAR_M = 0.8  # windows closer than this are left out rather than projected from behind the camera


@dataclass(frozen=True)
class FacadeLook:
    """What a wall looks like."""

    wall: Color
    trim: Color
    glass: Color
    style: str  # "punched" holes, "ribbon" bands or a "curtain" of glass
    ground_floor: str  # "shop", "doors" or "plain"
    accent: Color
    storey_m: float
    bay_m: float
    window_width: float  # fraction of a bay
    window_height: float  # fraction of a storey
    bright_share: float  # of the windows, reflecting the sky or lit from inside
    phase: float  # where in the pattern of bright windows this building starts
    sills: bool
    balconies: bool
    courses: bool  # horizontal lines of brick or cladding

    @classmethod
    def sample(cls, dice: Dice, modern: float) -> "FacadeLook":
        """A look at random; ``modern`` is the chance of a glass or concrete front."""
        wall = dice.shade(dice.pick(_WALLS), 0.15)
        style = dice.pick(("ribbon", "curtain")) if dice.chance(modern) else "punched"
        white_trim = dice.chance(0.6)
        return cls(
            wall=wall,
            trim=(232, 230, 222) if white_trim else mix(wall, (40, 38, 36), dice.between(0.3, 0.6)),
            glass=dice.shade(dice.pick(((48, 58, 66), (36, 40, 44), (70, 92, 104), (58, 72, 70))), 0.25),
            style=style,
            ground_floor=dice.pick(("shop", "shop", "doors", "doors", "plain")),
            accent=dice.shade(dice.pick(_AWNINGS), 0.2),
            storey_m=dice.between(2.8, 3.7),
            bay_m=dice.between(2.0, 3.6),
            window_width=dice.between(0.34, 0.62),
            window_height=dice.between(0.45, 0.66),
            bright_share=dice.between(0.05, 0.5),
            phase=dice.unit(),
            sills=dice.chance(0.6),
            balconies=dice.chance(0.15),
            courses=dice.chance(0.35),
        )


@dataclass(frozen=True)
class Building:
    """A house whose front stands along the street on one side, or across the view if ``side`` is 0."""

    side: int  # -1 left, 1 right, 0 across the view
    front_s: float  # of the front wall; of the left end where side is 0
    end_s: float  # of the back wall; of the right end where side is 0
    near_z: float
    far_z: float
    height_m: float
    roof: str  # "flat", "eaves" (ridge along the street) or "gable" (ridge across it)
    roof_color: Color
    look: FacadeLook
    blind_end: bool  # no windows in the wall that faces the camera

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.far_z

    @classmethod
    def sample(
        cls,
        dice: Dice,
        side: int,
        s: tuple[float, float],
        z: tuple[float, float],
        height: float,
        modern: float,
        joined: bool = False,
    ) -> "Building":
        """A building on this footprint, ``s`` from front to back (left to right where ``side`` is 0).

        One that is ``joined`` to its nearer neighbour has no windows in the wall they share.
        """
        look = FacadeLook.sample(dice, modern)
        pitched = look.style == "punched" and height < 17 and dice.chance(0.6)
        roof = dice.pick(("eaves", "eaves", "gable")) if pitched and side else "flat"
        roof_color = dice.shade(dice.pick(_ROOFS), 0.2)
        return cls(side, s[0], s[1], z[0], z[1], height, roof, roof_color, look, dice.chance(0.25) or joined)

    def cast(self, canvas: Canvas) -> None:
        """Throw the shadow of the whole block."""
        if self.near_z > 70:
            return
        near = max(self.near_z, 0.5)
        base = np.array([(s, 0.0, z) for s in (self.front_s, self.end_s) for z in (near, max(near, self.far_z))])
        canvas.cast_block(base, self.height_m)

    def paint(self, canvas: Canvas) -> None:
        """Paint the walls that can face the camera, then the roof."""
        if self.far_z < 1.0:
            return
        if self.side == 0:
            front = ((self.front_s, self.near_z), (self.end_s, self.near_z))
            _Wall(canvas, self.look, *front, self.height_m, (0.0, -1.0)).paint()
            return
        if self.near_z > 1:
            end = ((self.front_s, self.near_z), (self.end_s, self.near_z))
            look = replace(self.look, ground_floor="plain", balconies=False)
            self._paint_roof(canvas, behind=True)
            _Wall(canvas, look, *end, self.height_m, (0.0, -1.0)).paint(not self.blind_end)
        front = ((self.front_s, max(self.near_z, 0.5)), (self.front_s, self.far_z))
        _Wall(canvas, self.look, *front, self.height_m, (-float(self.side), 0.0)).paint()
        self._paint_roof(canvas, behind=False)

    def _paint_roof(self, canvas: Canvas, behind: bool) -> None:
        """The gable end (painted before the walls, ``behind``) or the slope towards the street."""
        if self.roof == "flat":
            return
        near, far, eaves = max(self.near_z, 0.5), self.far_z, self.height_m
        middle_s, middle_z = (self.front_s + self.end_s) / 2, (near + far) / 2
        if self.roof == "eaves":
            rise = 0.38 * abs(self.end_s - self.front_s)
            outline = [(self.front_s, eaves, near), (middle_s, eaves + rise, near), (self.end_s, eaves, near)]
            slope = [
                (self.front_s, eaves, near),
                (self.front_s, eaves, far),
                (middle_s, eaves + rise, far),
                (middle_s, eaves + rise, near),
            ]
            tilt = 0.75
        else:
            rise = min(5.0, 0.45 * (far - near))
            outline = [
                (self.front_s, eaves, near),
                (self.front_s, eaves + rise, middle_z),
                (self.end_s, eaves + rise, middle_z),
                (self.end_s, eaves, near),
            ]
            slope = [
                (self.front_s, eaves, near),
                (self.front_s, eaves, far),
                (self.front_s, eaves + rise, middle_z),
            ]
            tilt = 0.0
        end_is_wall = self.roof == "eaves"
        light = canvas.light
        if behind:
            shade = light.on(0, 0, -1) if end_is_wall else light.on(0, 0.7, -0.7)
            color = self.look.wall if end_is_wall else self.roof_color
            canvas.fill(canvas.camera.project(np.array(outline)), Label.BUILDING, canvas.tone(color, near, shade, 30))
        else:
            shade = light.on(-self.side * (1 - tilt * tilt) ** 0.5, tilt, 0)
            color = self.roof_color if end_is_wall else self.look.wall
            value = canvas.tone(color, middle_z, shade, 40)
            canvas.fill(canvas.camera.project(np.array(slope)), Label.BUILDING, value)


def _spans(count: int, share: float, first: float, step: float) -> np.ndarray:
    """``count`` spans (count, 2), each ``share`` of a step wide and in its middle."""
    middle = first + (np.arange(count) + 0.5) * step
    return middle[:, None] + np.array((-share * step / 2, share * step / 2))


_WHOLE = np.array([[0.0, 1.0]])


class _Wall:
    """A wall from one place (s, z) on the ground to another, and what is painted on it."""

    def __init__(
        self,
        canvas: Canvas,
        look: FacadeLook,
        start: tuple[float, float],
        end: tuple[float, float],
        height: float,
        normal: tuple[float, float],
    ) -> None:
        self.canvas, self.look, self.start, self.end, self.height = canvas, look, start, end, height
        near = min(start[1], end[1])
        self.distance = near + 0.3 * abs(end[1] - start[1])
        self.shade = canvas.light.on(normal[0], 0, normal[1])
        self.length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        self.storey_px = canvas.camera.pixels_per_metre(max(near, 2.0)) * look.storey_m
        self.bays = max(1, round(self.length / look.bay_m))
        self.base_m = look.storey_m * (1.15 if look.ground_floor != "plain" else 1.0)
        self.storeys = max(0, int((height - self.base_m - 0.3) / look.storey_m))

    def paint(self, windows: bool = True) -> None:
        """Paint the wall, and as much of what is on it as its size shows."""
        look, canvas = self.look, self.canvas
        outline = self.boxes(_WHOLE, np.array([[0.0, self.height]]), near=0.0)[0]
        if not canvas.camera.sees(outline):
            return
        canvas.fill(outline, Label.BUILDING, canvas.tone(look.wall, self.distance, self.shade, 36))
        # What is narrower or lower than a few pixels only costs time; 16 fixed-point units are a pixel.
        columns = np.clip(outline[:, 0], 0, canvas.camera.width * 16)
        if self.storey_px < 2.5 or columns.max() - columns.min() < 4 * 16:
            return
        if look.courses and self.storey_px > 14:
            heights = np.arange(0.6, self.height, 0.6)
            courses = self.boxes(_WHOLE, heights[:, None].repeat(2, 1))
            canvas.lines(courses[:, :2], self.tone(look.wall, 0.86))
        if self.storey_px > 6:
            self.add(_WHOLE, ((self.height - 0.45, self.height),), mix(look.wall, look.trim, 0.6), 1.05)
            self.add(_WHOLE, ((0.0, 0.6),), look.wall, 0.68)
        if windows:
            self._paint_ground_floor()
            if self.storeys:
                self._paint_windows()

    def tone(self, color: Color, light: float = 1.0) -> tuple[float, ...]:
        """The photo's value for a colour on this wall."""
        return self.canvas.tone(color, self.distance, self.shade * light, 14)

    def boxes(self, columns: np.ndarray, rows: np.ndarray, near: float = _NEAR_M) -> np.ndarray:
        """Rectangles in pixels (R * C, 4, 2) from spans (C, 2) along the wall (0 to 1) and (R, 2) up it (m).

        Columns closer than ``near`` are left out.
        """
        s = self.start[0] + (self.end[0] - self.start[0]) * columns
        z = self.start[1] + (self.end[1] - self.start[1]) * columns
        if self.start[1] < near or self.end[1] < near:
            ahead = z.min(1) > near
            s, z = s[ahead], z[ahead]
        column, ground_row, scale = self.canvas.camera.stand(s, z)
        order = [0, 1, 1, 0]
        pixels = np.empty((len(rows), len(s), 4, 2), np.int32)
        pixels[..., 0] = column[:, order]
        pixels[..., 1] = ground_row[:, order] - rows[:, None, [0, 0, 1, 1]] * scale[:, order]
        return pixels.reshape(-1, 4, 2)

    def add(self, columns: np.ndarray, rows: object, color: Color, light: float = 1.0) -> None:
        """Paint rectangles of one colour."""
        self.canvas.detail(self.boxes(columns, np.asarray(rows)), self.tone(color, light))

    def _paint_ground_floor(self) -> None:
        look, base, bays = self.look, self.base_m, self.bays
        if look.ground_floor == "shop":
            shops = max(1, bays // 2)
            self.add(_spans(shops, 0.86, 0, 1 / shops), ((0.4, base - 0.75),), mix(look.glass, (30, 30, 30), 0.3))
            shelves = mix(look.accent, look.glass, 0.55)
            self.add(_spans(shops * 2, 0.3, 0, 0.5 / shops), ((0.6, 1.5),), shelves)
            self.add(np.array([[0.01, 0.99]]), ((base - 0.75, base - 0.1),), look.accent)
            letters = _spans(shops * 4, 0.5, 0, 0.25 / shops)[int(look.phase * 7) % 3 :: 3]
            self.add(letters, ((base - 0.55, base - 0.3),), (235, 230, 215))
            return
        spans = _spans(bays, look.window_width, 0, 1 / bays)
        if look.ground_floor == "doors":
            is_door = np.arange(bays) % 4 == int(look.phase * 4)
            self.add(spans[is_door], ((0.0, 2.3),), mix(look.accent, (50, 36, 28), 0.5), 0.8)
            spans = spans[~is_door]
        self.add(spans, ((1.0, base - 0.8),), look.glass)

    def _paint_windows(self) -> None:
        look, canvas = self.look, self.canvas
        wide = {"punched": look.window_width, "ribbon": 0.97, "curtain": 0.9}[look.style]
        high = {"punched": look.window_height, "ribbon": 0.48, "curtain": 0.84}[look.style]
        columns = _spans(self.bays, wide, 0, 1 / self.bays)
        rows = _spans(self.storeys, high, self.base_m, look.storey_m)
        if self.storey_px > 9 and look.style == "punched":
            grow = np.array([-0.12, 0.12])
            self.add(columns + grow / self.length, rows + grow, look.trim)
        panes = self.boxes(columns, rows)
        pattern = (np.arange(len(panes)) * 0.618034 + look.phase) * (1 + 7 * look.phase) % 1
        bright = pattern < look.bright_share
        canvas.detail(panes[~bright], self.tone(look.glass))
        canvas.detail(panes[bright], self.tone(mix(look.glass, canvas.light.haze, 0.55), 0.9))
        if self.storey_px < 14:
            return
        if look.style == "punched":
            blinds = panes[pattern % 0.25 < 0.05].copy()
            blinds[:, :2, 1] = (blinds[:, :2, 1] * 11 + blinds[:, :1:-1, 1] * 9) // 20
            canvas.detail(blinds, self.tone(mix(look.trim, (200, 190, 170), 0.5), 0.9))
            middle = columns.mean(1, keepdims=True).repeat(2, 1)
            canvas.lines(self.boxes(middle, rows)[:, 1:3], self.tone(look.trim, 0.9))
        if look.sills:
            self.add(columns, rows[:, :1] - np.array([0.25, 0.1]), look.wall, 0.7)
        if look.balconies:
            fronts = rows[:, :1] + np.array([-0.3, 0.75])
            grow = np.array([-0.2, 0.2]) / self.bays
            self.add(columns[::2] + grow, fronts, mix(look.wall, look.accent, 0.4), 0.85)
