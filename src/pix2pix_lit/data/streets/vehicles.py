"""Cars, vans, trucks, buses and trams, seen from any direction."""

import math
from dataclasses import dataclass

import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, Color, Dice, mix
from pix2pix_lit.data.streets.vehicle_models import MODELS, mesh_of

CARS = ("hatchback", "sedan", "estate", "off-roader", "van")
_CAR_COLORS: tuple[Color, ...] = (
    (196, 198, 200), (232, 232, 230), (40, 42, 46), (70, 74, 80), (122, 126, 130), (38, 58, 110), (150, 28, 30),
    (60, 80, 60), (190, 170, 120), (28, 30, 34), (90, 110, 140), (210, 170, 40),
)  # fmt: skip
_LARGE_COLORS: dict[str, tuple[Color, ...]] = {
    "truck": ((230, 230, 226), (60, 90, 150), (180, 60, 40), (220, 180, 60), (80, 120, 80)),
    "bus": ((200, 60, 50), (230, 225, 210), (70, 140, 180), (220, 180, 60), (80, 140, 90)),
    "tram": ((210, 60, 50), (230, 220, 190), (60, 110, 170), (230, 190, 60)),
}


@dataclass(frozen=True)
class Vehicle:
    """Anything with an engine and a body, its centre at (s, z)."""

    model: str
    s: float
    z: float
    yaw: float  # radians; 0 drives away from the camera, pi towards it
    color: Color
    second_color: Color  # cargo, band along the side
    lamps_on: bool

    @property
    def depth(self) -> float:
        """Distance that decides the painting order."""
        return self.z

    @property
    def length_m(self) -> float:
        """Bumper to bumper."""
        return MODELS[self.model].length_m

    @classmethod
    def sample(cls, dice: Dice, model: str, s: float, z: float, yaw: float) -> "Vehicle":
        """A vehicle of this model in colours at random."""
        colors = _LARGE_COLORS.get(model, _CAR_COLORS)
        color = dice.shade(dice.pick(colors), 0.15)
        second = dice.shade(
            dice.pick(((225, 225, 220), (190, 190, 186), (60, 90, 150), (170, 60, 50), (200, 180, 130))), 0.1
        )
        return cls(model, s, z, yaw, color, second, dice.chance(0.3))

    def _world(self, points: np.ndarray) -> np.ndarray:
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        world = np.empty_like(points)
        world[:, 0] = self.s + points[:, 2] * sine + points[:, 0] * cosine
        world[:, 1] = points[:, 1]
        world[:, 2] = self.z + points[:, 2] * cosine - points[:, 0] * sine
        return world

    def _footprint(self, grow: float) -> np.ndarray:
        model = MODELS[self.model]
        width, length = model.width_m / 2 + grow, model.length_m / 2 + grow
        corners = ((-width, -length), (width, -length), (width, length), (-width, length))
        return self._world(np.array([(w, 0.0, along) for w, along in corners]))

    def cast(self, canvas: Canvas) -> None:
        """Throw the body's shadow."""
        if not 2 < self.z < 60:
            return
        base = self._footprint(-0.1)
        height = 1.3 if self.model in CARS else 2.8
        canvas.cast_block(base, height)

    def paint(self, canvas: Canvas) -> None:
        """Paint the faces turned to the camera, far ones first."""
        mesh, camera, light = mesh_of(self.model), canvas.camera, canvas.light
        world = self._world(mesh.points)
        if world[:, 2].min() < 1.0:
            return
        pixels = camera.project(world)
        if not camera.sees(pixels):
            return
        contact = camera.project(self._footprint(0.12))
        canvas.detail([contact], canvas.tone((40, 40, 42), self.z, light.ambient * 0.9, 20))
        normals = self._world(mesh.normals) - (self.s, 0.0, self.z)
        eye = np.array([-camera.view.bend * self.z**2, camera.view.height_m, 0.0])
        centres = self._world(mesh.centres)
        to_eye = eye - centres
        facing = (to_eye * normals).sum(1)
        distance = (to_eye * to_eye).sum(1)
        small = camera.pixels_per_metre(self.z) < 5.0
        sunny = 1 - canvas.shaded(self.s, self.z)
        # The wheels come last: they are flush with the sides.
        order = sorted(np.flatnonzero(facing > 0).tolist(), key=lambda i: (mesh.faces[i][1] == "wheel", -distance[i]))
        label = MODELS[self.model].label
        for number in order:
            indices, role = mesh.faces[number]
            normal = normals[number]
            direct = light.on(normal[0], normal[1], normal[2])
            shade = light.ambient * (0.8 + 0.25 * normal[1]) * (1 - sunny) + direct * sunny
            canvas.fill(pixels[list(indices)], label, canvas.tone(self._color(role, canvas), self.z, shade, 8))
            if small:
                continue
            for part, part_role in mesh.details[number]:
                glow = 1.0 if self.lamps_on and part_role.endswith("lamp") else shade
                canvas.detail([pixels[list(part)]], canvas.tone(self._color(part_role, canvas), self.z, glow, 6))

    def _color(self, role: str, canvas: Canvas) -> Color:
        if role in ("body", "tail", "nose"):
            return self.color
        if role == "roof":
            return mix(self.color, canvas.light.zenith, 0.15)
        if role == "glass":
            return mix((34, 40, 46), canvas.light.haze, 0.28)
        if role in ("cargo", "band"):
            return self.second_color
        if role == "tail lamp":
            return (255, 70, 50) if self.lamps_on else (150, 26, 26)
        if role == "head lamp":
            return (255, 252, 235) if self.lamps_on else (205, 208, 210)
        return _ROLE_COLORS[role] if role != "skirt" else mix(self.color, (20, 20, 22), 0.55)


_ROLE_COLORS: dict[str, Color] = {
    "side glass": (38, 44, 50),
    "dark": (36, 37, 40),
    "under": (24, 24, 26),
    "plate": (225, 225, 215),
    "wheel": (26, 26, 28),
    "hub": (128, 130, 134),
}
