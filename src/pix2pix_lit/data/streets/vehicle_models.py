"""The shapes of cars, vans, trucks, buses and trams: side profiles given width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pix2pix_lit.images.palettes import Label

# A profile runs along the outline from the lower rear over the roof to the lower front: (forwards, up, role). The
# role is what the edge that starts at this point shows; forwards is a fraction of the length, from -0.5 to 0.5.
_Profile = tuple[tuple[float, float, str], ...]

_HATCHBACK: _Profile = (
    (-0.5, 0.28, "body"),
    (-0.5, 0.62, "tail"),
    (-0.485, 0.98, "glass"),
    (-0.40, 1.44, "roof"),
    (0.04, 1.48, "glass"),
    (0.24, 0.99, "body"),
    (0.46, 0.82, "nose"),
    (0.5, 0.55, "body"),
    (0.495, 0.28, ""),
)
_SEDAN: _Profile = (
    (-0.5, 0.28, "body"),
    (-0.5, 0.60, "tail"),
    (-0.49, 0.96, "body"),
    (-0.36, 1.02, "glass"),
    (-0.22, 1.42, "roof"),
    (0.06, 1.44, "glass"),
    (0.23, 0.97, "body"),
    (0.46, 0.80, "nose"),
    (0.5, 0.55, "body"),
    (0.495, 0.28, ""),
)
_ESTATE: _Profile = (
    (-0.5, 0.28, "body"),
    (-0.5, 0.62, "tail"),
    (-0.49, 1.0, "glass"),
    (-0.44, 1.45, "roof"),
    (0.05, 1.48, "glass"),
    (0.22, 0.98, "body"),
    (0.46, 0.82, "nose"),
    (0.5, 0.55, "body"),
    (0.495, 0.28, ""),
)
_OFF_ROADER: _Profile = (
    (-0.5, 0.34, "body"),
    (-0.5, 0.75, "tail"),
    (-0.495, 1.18, "glass"),
    (-0.44, 1.72, "roof"),
    (0.06, 1.75, "glass"),
    (0.2, 1.18, "body"),
    (0.47, 1.02, "nose"),
    (0.5, 0.65, "body"),
    (0.495, 0.34, ""),
)
_VAN: _Profile = (
    (-0.5, 0.32, "body"),
    (-0.5, 0.75, "tail"),
    (-0.5, 1.3, "glass"),
    (-0.49, 2.0, "roof"),
    (0.22, 2.05, "glass"),
    (0.36, 1.2, "body"),
    (0.48, 0.98, "nose"),
    (0.5, 0.6, "body"),
    (0.495, 0.3, ""),
)
_BUS: _Profile = (
    (-0.5, 0.32, "body"),
    (-0.5, 0.8, "tail"),
    (-0.5, 1.5, "glass"),
    (-0.495, 2.6, "body"),
    (-0.49, 3.0, "roof"),
    (0.485, 3.0, "dark"),
    (0.495, 2.65, "glass"),
    (0.5, 1.1, "nose"),
    (0.5, 0.32, ""),
)
_CARGO: _Profile = (
    (-0.5, 0.95, "tail"),
    (-0.5, 1.15, "cargo"),
    (-0.5, 3.4, "cargo"),
    (0.24, 3.4, "cargo"),
    (0.24, 0.95, ""),
)
_CAB: _Profile = (
    (0.26, 0.5, "body"),
    (0.26, 2.7, "roof"),
    (0.45, 2.75, "glass"),
    (0.495, 1.6, "nose"),
    (0.5, 0.5, ""),
)


@dataclass(frozen=True)
class Model:
    """Shape of a vehicle; places along it are fractions of its length, from -0.5 at the rear to 0.5."""

    label: int
    length_m: float
    width_m: float
    profiles: tuple[_Profile, ...]
    windows: tuple[tuple[float, float, float, float], ...]  # at the sides: rear, front, bottom (m), top (m)
    wheels: tuple[float, ...]
    wheel_m: float  # radius
    lamps: tuple[float, float]  # height of tail and head lamps
    shoulder_m: float = 9.0  # above this the sides lean in, by lean_m to where the roof begins
    lean_m: float = 0.0


_CAR_WINDOWS = {
    "hatchback": ((-0.40, -0.17, 0.99, 1.37), (-0.15, 0.07, 0.99, 1.38)),
    "sedan": ((-0.29, -0.10, 0.99, 1.34), (-0.08, 0.09, 0.99, 1.36)),
    "estate": ((-0.45, -0.3, 1.0, 1.38), (-0.28, -0.1, 1.0, 1.4), (-0.08, 0.08, 1.0, 1.4)),
    "off-roader": ((-0.45, -0.3, 1.2, 1.64), (-0.28, -0.1, 1.2, 1.66), (-0.08, 0.08, 1.2, 1.66)),
    "van": ((0.14, 0.27, 1.3, 1.9),),
}
_BUS_WINDOWS = tuple((x / 20, x / 20 + 0.092, 1.3, 2.5) for x in range(-9, 9, 2))
MODELS: dict[str, Model] = {
    "hatchback": Model(
        Label.CAR, 4.0, 1.75, (_HATCHBACK,), _CAR_WINDOWS["hatchback"], (-0.32, 0.31), 0.32, (0.8, 0.68), 1.0, 0.16
    ),
    "sedan": Model(Label.CAR, 4.7, 1.82, (_SEDAN,), _CAR_WINDOWS["sedan"], (-0.30, 0.32), 0.33, (0.8, 0.66), 1.0, 0.18),
    "estate": Model(
        Label.CAR, 4.7, 1.82, (_ESTATE,), _CAR_WINDOWS["estate"], (-0.30, 0.32), 0.33, (0.82, 0.68), 1.0, 0.16
    ),
    "off-roader": Model(
        Label.CAR,
        4.6,
        1.9,
        (_OFF_ROADER,),
        _CAR_WINDOWS["off-roader"],
        (-0.30, 0.32),
        0.38,
        (1.0, 0.85),
        1.2,
        0.14,
    ),
    "van": Model(Label.CAR, 5.2, 1.95, (_VAN,), _CAR_WINDOWS["van"], (-0.30, 0.33), 0.35, (1.1, 0.8), 1.3, 0.1),
    "truck": Model(
        Label.TRUCK, 8.5, 2.5, (_CARGO, _CAB), ((0.34, 0.45, 1.6, 2.4),), (-0.36, -0.22, 0.38), 0.5, (1.05, 0.8)
    ),
    "bus": Model(Label.BUS, 12.0, 2.55, (_BUS,), _BUS_WINDOWS, (-0.27, 0.3), 0.48, (0.95, 0.7)),
    "tram": Model(
        Label.TRAIN, 26.0, 2.5, (_BUS,), _BUS_WINDOWS, (-0.4, -0.36, 0.0, 0.04, 0.36, 0.4), 0.34, (0.9, 0.75)
    ),
}


@dataclass(frozen=True)
class Mesh:
    """Faces of a model; ``points`` in metres as (sideways, up, forwards)."""

    points: np.ndarray  # (P, 3)
    faces: tuple[tuple[tuple[int, ...], str], ...]  # corners, counter-clockwise from outside, and the role
    details: tuple[tuple[tuple[tuple[int, ...], str], ...], ...]  # for each face, what lies on it
    normals: np.ndarray  # (F, 3) unit length
    centres: np.ndarray  # (F, 3)


_Point = tuple[float, float, float]  # metres to the right, up, forwards
_Outline = Sequence[_Point]
_Part = tuple[tuple[int, ...], str]  # indices of corners, role


class _MeshBuilder:
    """Turns a model into faces, each with the details that lie on it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.points: list[_Point] = []
        self.faces: list[_Part] = []
        self.details: list[list[_Part]] = []
        self._add_underside()
        for profile in model.profiles:
            ring = [(self._half_width(up), up, along * model.length_m) for along, up, _ in profile]
            for lower, upper, (_, _, role) in zip(ring, ring[1:], profile, strict=False):
                self._add_end(lower, upper, role)
            is_cargo = any(role == "cargo" for _, _, role in profile)
            for sign in (-1, 1):
                self._add_face([(sign * w, y, z) for w, y, z in ring[::sign]], "cargo" if is_cargo else "body")
                if profile is model.profiles[-1]:
                    self._add_side_details(sign)
        for along in model.wheels:
            for sign in (-1, 1):
                self._add_wheel(sign, along * model.length_m)

    def build(self) -> Mesh:
        """The finished mesh."""
        array = np.array(self.points)
        outlines = [array[list(corners)] for corners, _ in self.faces]
        # Newell's method: right for sides with collinear or inward corners too.
        normals = np.array([np.cross(outline, np.roll(outline, -1, 0)).sum(0) for outline in outlines])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        centres = np.array([outline.mean(0) for outline in outlines])
        return Mesh(array, tuple(self.faces), tuple(tuple(parts) for parts in self.details), normals, centres)

    def _half_width(self, up: float) -> float:
        return self.model.width_m / 2 - self.model.lean_m * max(0.0, up - self.model.shoulder_m) / 0.45

    def _part(self, outline: _Outline, role: str) -> _Part:
        self.points.extend(outline)
        return tuple(range(len(self.points) - len(outline), len(self.points))), role

    def _add_face(self, outline: _Outline, role: str) -> None:
        self.faces.append(self._part(outline, role))
        self.details.append([])

    def _add_detail(self, outline: _Outline, role: str) -> None:
        """Something on the face added last."""
        self.details[-1].append(self._part(outline, role))

    def _add_underside(self) -> None:
        half, end = self.model.width_m * 0.38, 0.47 * self.model.length_m
        top = 1.0 if self.model.label == Label.TRUCK else 0.6
        for sign in (-1, 1):
            x = sign * half
            block = [(x, 0.14, -end), (x, 0.14, end), (x, top, end), (x, top, -end)]
            self._add_face(block[::-sign], "under")
            # Behind (or in front, turned around) one also sees two tyres.
            self._add_face(
                [(sign * x, y, -sign * end) for x, y in _box(0, (0.14 + top) / 2, half, top / 2 - 0.07)], "under"
            )
            for wheel in (-1, 1):
                tread = _box(wheel * (self.model.width_m / 2 - 0.13), 0.26, 0.11, 0.24)
                self._add_face([(sign * x, y, -sign * 0.9 * end) for x, y in tread], "under")

    def _add_end(self, lower: _Point, upper: _Point, role: str) -> None:
        """A face across the whole width, between two points of the profile, with lamps where there are some."""
        (w0, y0, z0), (w1, y1, z1) = lower, upper
        self._add_face([(-w0, y0, z0), (-w1, y1, z1), (w1, y1, z1), (w0, y0, z0)], role)
        if role not in ("tail", "nose"):
            return
        lamp_y = self.model.lamps[0] if role == "tail" else self.model.lamps[1]
        z = z0 + (z1 - z0) * min(max((lamp_y - y0) / (y1 - y0), 0), 1)
        for sign in (-1, 1):
            lamp = [(x, y, z) for x, y in _box(sign * 0.815 * w0, lamp_y, 0.155 * w0, 0.1)]
            self._add_detail(lamp, "tail lamp" if role == "tail" else "head lamp")
        if role == "tail":
            self._add_detail([(x, y, z) for x, y in _box(0, lamp_y - 0.12, 0.26, 0.06)], "plate")
        else:
            self._add_detail([(x, y, z) for x, y in _box(0, lamp_y - 0.09, 0.5 * w0, 0.09)], "dark")

    def _add_side_details(self, sign: int) -> None:
        model = self.model
        for back, fore, low, high in model.windows:
            slant = 0.25 * (high - low) / model.length_m if model.label == Label.CAR else 0.0
            pane = [(back, low), (fore + 2 * slant * (fore > 0), low), (fore, high), (back + slant, high)]
            self._add_detail(self._on_side(sign, pane), "side glass")
        if model.label == Label.CAR:
            self._add_detail(self._on_side(sign, _box(0, 0.36, 0.49, 0.08)), "skirt")
            self._add_detail(self._on_side(sign, _box(-0.09, 0.68, 0.005, 0.32)), "skirt")
        elif model.label != Label.TRUCK:
            self._add_detail(self._on_side(sign, _box(0, 1.02, 0.49, 0.13)), "band")

    def _on_side(self, sign: int, outline: Sequence[tuple[float, float]]) -> list[_Point]:
        return [(sign * self._half_width(up), up, along * self.model.length_m) for along, up in outline]

    def _add_wheel(self, sign: int, z: float) -> None:
        radius, x = self.model.wheel_m, sign * self.model.width_m / 2
        turn = [math.tau * step / 12 for step in range(12)]
        circle = [(math.sin(angle) * radius, math.cos(angle) * radius) for angle in turn]
        self._add_face([(x, radius + dy, z + dz) for dy, dz in circle[::-sign]], "wheel")
        self._add_detail([(x, radius + 0.58 * dy, z + 0.58 * dz) for dy, dz in circle], "hub")


def _box(x: float, y: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    left, right, bottom, top = x - half_width, x + half_width, y - half_height, y + half_height
    return [(left, bottom), (left, top), (right, top), (right, bottom)]


@cache
def mesh_of(name: str) -> Mesh:
    """The mesh of a model of this name, built once."""
    return _MeshBuilder(MODELS[name]).build()
