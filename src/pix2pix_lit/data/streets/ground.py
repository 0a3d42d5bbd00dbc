"""The ground: road, pavements, grass, kerbs and everything painted on the asphalt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pix2pix_lit.data.streets.canvas import NEAR_M, Canvas, Color, mix
from pix2pix_lit.images.palettes import Label

FAR_M = 220.0
# Closer together near the camera, where a bend shows most per pixel.
_STATIONS = np.array([NEAR_M, 1.5, 3, 5, 8, 12, 17, 23, 30, 40, 52, 68, 90, 120, 160, FAR_M])
_WHITE: Color = (226, 226, 220)


@dataclass(frozen=True)
class Crossing:
    """A street across ours."""

    near_z: float
    far_z: float
    left: bool
    right: bool
    ends_street: bool  # a T-junction: our street stops here


@dataclass(frozen=True)
class Patch:
    """A repaired piece of asphalt, a manhole or a puddle of leaves: a rectangle of another tone."""

    s: float
    z: float
    width_m: float
    length_m: float
    tone: float  # times the asphalt's


@dataclass(frozen=True)
class Side:
    """The ground from the kerb outwards, on one side."""

    strips: tuple[tuple[float, int], ...]  # (width in metres, label), from the kerb outwards
    beyond: int  # label of everything further out

    @property
    def width_m(self) -> float:
        """From the kerb to the front of the plots."""
        return sum(width for width, _ in self.strips)


def _rectangles(boxes: Sequence[tuple[float, float, float, float]]) -> np.ndarray:
    """World points (N, 4, 3) of rectangles on the ground: middle s, near z, width, length."""
    s, z, width, length = np.array(boxes).T[:, :, None]
    points = np.zeros((len(boxes), 4, 3))
    points[..., 0] = s + width * (-0.5, 0.5, 0.5, -0.5)
    points[..., 2] = z + length * (0.0, 0.0, 1.0, 1.0)
    return points


@dataclass(frozen=True)
class Ground:
    """The ground and everything that lies flat on it."""

    left: float  # s of the left kerb
    right: float
    sides: tuple[Side, Side]  # left, right
    lines: tuple[tuple[float, float, float], ...]  # s, dash in metres (0: unbroken), gap in metres
    rails: tuple[float, ...]  # s of tram rails
    zebras: tuple[float, ...]  # z of pedestrian crossings
    stops: tuple[float, ...]  # z of stop lines
    arrows: tuple[tuple[float, float], ...]  # (s, z)
    crossing: Crossing | None
    patches: tuple[Patch, ...]
    colors: dict[int, Color]  # by label: road, sidewalk, terrain
    wear: float  # how much of the paint is worn off, 0 to 1
    paving_m: float  # distance of the joints in the pavement
    bicycle_lane: float  # width of a tinted lane along the right kerb, 0 for none

    @property
    def end_z(self) -> float:
        """Where our street stops."""
        return self.crossing.far_z if self.crossing and self.crossing.ends_street else FAR_M

    def paint(self, canvas: Canvas) -> None:
        """Paint all of it, from the plots inwards."""
        horizon = canvas.camera.horizon
        first_row = min(max(int(horizon), 0), canvas.camera.height)
        canvas.labels[first_row:] = int(Label.TERRAIN)
        canvas.photo[first_row:] = np.clip(canvas.tone(self.colors[Label.TERRAIN], FAR_M, 0.9, 60), 0, 255)
        for side, kerb, sign in ((self.sides[0], self.left, -1), (self.sides[1], self.right, 1)):
            edge = kerb + sign * side.width_m
            self._strip(canvas, edge, edge + sign * 150, side.beyond)
            inner = kerb
            for width, label in side.strips:
                outer = inner + sign * width
                self._strip(canvas, inner, outer, label)
                if label == Label.SIDEWALK:
                    self._joints(canvas, inner, outer)
                inner = outer
        if self.crossing:
            self._paint_crossing(canvas, self.crossing)
        self._strip(canvas, self.left, self.right, Label.ROAD)
        if self.bicycle_lane:
            tinted = mix(self.colors[Label.ROAD], (150, 60, 50), 0.55)
            lane = self._outline(self.right - self.bicycle_lane, self.right - 0.1, NEAR_M, self.end_z)
            canvas.detail([canvas.camera.project(lane)], canvas.tone(tinted, 0, canvas.light.on(0, 1, 0), 60))
        for patch in self.patches:
            self._patch(canvas, patch)
        for kerb, sign in ((self.left, -1), (self.right, 1)):
            self._kerb(canvas, kerb, sign)
        self._paint_marks(canvas)

    def _outline(self, first_s: float, last_s: float, near: float, far: float) -> np.ndarray:
        stations = np.concatenate([[near], _STATIONS[(near < _STATIONS) & (far > _STATIONS)], [far]])
        points = np.zeros((2 * len(stations), 3))
        points[: len(stations), 0], points[len(stations) :, 0] = first_s, last_s
        points[: len(stations), 2], points[len(stations) :, 2] = stations, stations[::-1]
        return points

    def _strip(self, canvas: Canvas, first_s: float, last_s: float, label: int) -> None:
        outline = canvas.camera.project(self._outline(first_s, last_s, NEAR_M, self.end_z))
        canvas.fill(outline, label, self._value(canvas, label))

    def _value(self, canvas: Canvas, label: int, gain: float = 1.0) -> tuple[float, ...]:
        # Haze is added to the whole ground later, row by row; hence distance 0.
        rough = {Label.ROAD: 70, Label.SIDEWALK: 60, Label.TERRAIN: 190}[Label(label)]
        return canvas.tone(self.colors[label], 0, canvas.light.on(0, 1, 0) * gain, rough)

    def _joints(self, canvas: Canvas, inner: float, outer: float) -> None:
        across = np.arange(1.0, 22.0, self.paving_m)
        points = np.zeros((len(across), 2, 3))
        points[:, 0, 0], points[:, 1, 0] = inner, outer
        points[:, :, 2] = across[:, None]
        value = self._value(canvas, Label.SIDEWALK, 0.86)
        canvas.lines(canvas.camera.project(points), value)
        count = max(1, int(abs(outer - inner) / self.paving_m))
        along = [self._outline(inner + (outer - inner) * k / count, 0, 1.2, 24.0) for k in range(1, count)]
        canvas.lines([canvas.camera.project(line[: len(line) // 2]) for line in along], value)

    def _kerb(self, canvas: Canvas, kerb: float, sign: int) -> None:
        ranges = [(NEAR_M, self.end_z)]
        crossing = self.crossing
        if crossing and (crossing.left if sign < 0 else crossing.right):
            ranges = [(NEAR_M, crossing.near_z)] + ([] if crossing.ends_street else [(crossing.far_z, FAR_M)])
        for near, far in ranges:
            stone = canvas.camera.project(self._outline(kerb, kerb + sign * 0.18, near, far))
            canvas.detail([stone], self._value(canvas, Label.SIDEWALK, 1.22))
            gutter = canvas.camera.project(self._outline(kerb - sign * 0.14, kerb, near, far))
            canvas.detail([gutter], self._value(canvas, Label.ROAD, 0.72))

    def _paint_crossing(self, canvas: Canvas, crossing: Crossing) -> None:
        low = self.left if not crossing.left else -130.0
        high = self.right if not crossing.right else 130.0
        near, far = crossing.near_z, crossing.far_z
        for label, margin in ((Label.SIDEWALK, 2.2), (Label.ROAD, 0.0)):
            corners = [(low, near - margin), (high, near - margin), (high, far + margin), (low, far + margin)]
            outline = np.array([(s, 0.0, z) for s, z in corners])
            canvas.fill(canvas.camera.project(outline), label, self._value(canvas, label))
        edge = np.array([[(s, 0.0, z) for s in (low, self.left if z < far else high)] for z in (near, far + 0.15)])
        canvas.lines(canvas.camera.project(edge), self._value(canvas, Label.SIDEWALK, 1.2))

    def _patch(self, canvas: Canvas, patch: Patch) -> None:
        outline = _rectangles([(patch.s, patch.z, patch.width_m, patch.length_m)])
        canvas.detail(canvas.camera.project(outline), self._value(canvas, Label.ROAD, patch.tone))

    def _paint_marks(self, canvas: Canvas) -> None:
        project = canvas.camera.project
        light = canvas.light.on(0, 1, 0)
        value = canvas.tone(mix(_WHITE, self.colors[Label.ROAD], self.wear), 0, light, 60)
        skip = (0.0, 0.0)
        if self.crossing:
            skip = (self.crossing.near_z - 0.5, self.crossing.far_z + 0.5)
        last = min(self.end_z, 110.0)
        boxes: list[tuple[float, float, float, float]] = []
        for s, dash, gap in self.lines:
            step = dash + gap if dash else 8.0
            length = dash or 8.0
            starts = np.arange(1.0, last, step)
            starts = starts[(starts + length < skip[0]) | (starts > skip[1])]
            boxes += [(s, z, 0.15, length) for z in starts]
        for s in self.rails:
            rail = self._outline(s - 0.05, s + 0.05, NEAR_M, self.end_z)
            canvas.detail([project(rail)], canvas.tone((92, 94, 98), 0, light, 20))
        for z in self.zebras:
            bars = np.arange(self.left + 0.5, self.right - 0.3, 1.0)
            boxes += [(s, z, 0.5, 3.2) for s in bars]
        middle = self.lines[0][0] if self.lines else (self.left + self.right) / 2
        for z in self.stops:
            boxes.append(((middle + self.right) / 2, z, self.right - middle, 0.5))
        for s, z in self.arrows:
            boxes.append((s, z, 0.22, 2.6))
            head = np.array([(s - 0.5, 0, z + 2.7), (s + 0.5, 0, z + 2.7), (s, 0, z + 4.6)])
            canvas.detail([project(head)], value)
        if boxes:
            canvas.detail(project(_rectangles(boxes)), value)
