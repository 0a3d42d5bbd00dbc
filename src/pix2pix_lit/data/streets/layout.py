"""The layout of a street scene: all random choices, made before anything is drawn."""

import math
from dataclasses import dataclass, field

from pix2pix_lit.data.streets.buildings import Building
from pix2pix_lit.data.streets.canvas import Color, Dice, Light, Thing, View
from pix2pix_lit.data.streets.furniture import Pole
from pix2pix_lit.data.streets.ground import Crossing, Ground, Patch, Side
from pix2pix_lit.data.streets.people import Person, TwoWheeler
from pix2pix_lit.data.streets.plants import Plant
from pix2pix_lit.data.streets.plots import Frontage
from pix2pix_lit.data.streets.vehicles import CARS, Vehicle
from pix2pix_lit.images.palettes import Label

BACKDROP_M = 165.0


@dataclass
class Scene:
    """A complete description of a scene, independent of the picture's size."""

    view: View
    light: Light
    ground: Ground
    things: list[Thing] = field(default_factory=list)


def sample_scene(dice: Dice) -> Scene:
    """A random street."""
    light = _sample_light(dice)
    bend = 0.0 if dice.chance(0.45) else dice.between(-1, 1) ** 3 * 0.0022
    view = View(
        horizon=dice.between(0.4, 0.53),
        heading=dice.between(-0.16, 0.12) - 25 * bend,
        height_m=dice.between(1.25, 1.75),
        bend=bend,
        zoom=dice.between(1.0, 1.45),
    )
    plan = _Plan(dice)
    scene = Scene(view, light, plan.ground)
    plan.fill(scene.things)
    scene.things.sort(key=lambda thing: -thing.depth)
    return scene


def _sample_light(dice: Dice) -> Light:
    mood = dice.pick(("clear", "clear", "fair", "fair", "overcast", "overcast", "golden", "misty", "dusk"))
    elevation = {"golden": dice.between(0.2, 0.4), "dusk": dice.between(0.2, 0.4)}.get(mood, dice.between(0.5, 1.1))
    azimuth = dice.between(0, math.tau)
    flat = math.cos(elevation)
    to_sun = (flat * math.sin(azimuth), math.sin(elevation), flat * math.cos(azimuth))
    sun, ambient, zenith, haze, haze_m, clouds, tint, exposure = {
        "clear": (0.66, 0.54, (74, 124, 192), (188, 208, 224), 420.0, 0.15, (1.03, 1.0, 0.95), 1.0),
        "fair": (0.52, 0.58, (104, 150, 204), (206, 216, 224), 330.0, 0.5, (1.0, 1.0, 0.98), 1.0),
        "overcast": (0.1, 0.86, (182, 188, 194), (214, 217, 220), 240.0, 0.85, (0.97, 1.0, 1.02), 0.95),
        "golden": (0.8, 0.5, (112, 140, 182), (246, 212, 164), 260.0, 0.35, (1.12, 0.97, 0.78), 1.0),
        "misty": (0.05, 0.8, (196, 200, 202), (204, 207, 208), 85.0, 0.9, (1.0, 1.0, 0.99), 0.97),
        "dusk": (0.25, 0.6, (78, 96, 142), (190, 168, 170), 260.0, 0.5, (0.95, 0.95, 1.05), 0.88),
    }[mood]
    warm = dice.between(-0.06, 0.06)
    return Light(
        sun=sun * dice.between(0.85, 1.1),
        ambient=ambient * dice.between(0.9, 1.1),
        to_sun=to_sun,
        tint=(tint[0] * (1 + warm), tint[1] * dice.between(0.97, 1.03), tint[2] * (1 - warm)),
        zenith=dice.shade(zenith, 0.12),
        haze=dice.shade(haze, 0.05),
        haze_m=haze_m * dice.between(0.7, 1.4),
        clouds=min(1.0, clouds * dice.between(0.5, 1.3)),
        exposure=exposure * dice.between(0.92, 1.22),
        gamma=dice.between(0.75, 1.0),
    )


class _Plan:
    """One street: its cross-section first, then what stands along it."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.neighbourhood = dice.pick(("city", "city", "city", "houses", "houses", "park", "park", "offices", "edge"))
        self.autumn = dice.chance(0.15)
        self.crowd = dice.between(0, 1) ** 2  # 0 deserted, 1 crowded
        lane = dice.between(2.7, 3.4)
        ours = 1 if dice.chance(0.78) else 2
        theirs = 1 if dice.chance(0.75) else 2
        if self.neighbourhood == "houses":
            ours = theirs = 1
        self.tram = dice.chance(0.12) and self.neighbourhood != "houses"
        self.parking = [2.1 if dice.chance(0.42) else 0.0 for _ in range(2)]  # left, right
        bicycle_lane = 1.5 if dice.chance(0.2) and not self.parking[1] else 0.0
        aside = dice.between(-0.35, 0.35)
        # The camera drives in the outermost lane, on the right.
        self.right = lane / 2 + aside + self.parking[1] + bicycle_lane
        self.divide = aside + lane / 2 - ours * lane
        self.left = self.divide - theirs * lane - self.parking[0]
        self.lane_centres = [aside - number * lane for number in range(ours)]
        self.oncoming_centres = [self.divide - lane / 2 - number * lane for number in range(theirs)]
        self.sides = (self._side(), self._side())
        self.crossing = self._crossing()
        self.zebras: list[float] = []
        self.ground = self._ground(lane, ours, theirs, bicycle_lane)

    def _side(self) -> Side:
        dice = self.dice
        walk = dice.between(2.2, 5.5)
        strips: tuple[tuple[float, int], ...] = ((walk, Label.SIDEWALK),)
        kind = dice.unit()
        if kind < 0.22:
            strips = ((dice.between(1.0, 2.5), Label.TERRAIN), (walk, Label.SIDEWALK))
        elif kind < 0.4:
            strips = ((walk, Label.SIDEWALK), (dice.between(1.0, 4.0), Label.TERRAIN))
        green = self.neighbourhood in ("houses", "park", "edge")
        if self.neighbourhood == "edge" and dice.chance(0.4):
            strips = ((dice.between(2.0, 6.0), Label.TERRAIN),)
        return Side(strips, Label.TERRAIN if green or dice.chance(0.15) else Label.SIDEWALK)

    def _crossing(self) -> Crossing | None:
        dice = self.dice
        if not dice.chance(0.42):
            return None
        near = dice.between(9, 45)
        ends = dice.chance(0.3) and near > 18
        left, right = dice.pick(((True, True), (True, True), (True, False), (False, True)))
        return Crossing(near, near + dice.between(6, 12), left or ends, right or ends, ends)

    def _ground(self, lane: float, ours: int, theirs: int, bicycle_lane: float) -> Ground:
        dice = self.dice
        lines: list[tuple[float, float, float]] = []
        stops: list[float] = []
        if self.neighbourhood != "houses" or dice.chance(0.4):
            lines.append((self.divide, 0.0, 0.0) if dice.chance(0.3) else (self.divide, 3.0, dice.between(3.0, 6.0)))
        lines += [(self.divide + lane * number, 3.0, 6.0) for number in range(1, ours)]
        lines += [(self.divide - lane * number, 3.0, 6.0) for number in range(1, theirs)]
        for number, side in enumerate((self.left, self.right)):
            if self.parking[number] and dice.chance(0.6):
                lines.append((side + (1 - 2 * number) * self.parking[number], 0.0, 0.0))
        if bicycle_lane:
            lines.append((self.right - bicycle_lane, 0.0, 0.0))
        if self.crossing and dice.chance(0.6):
            self.zebras.append(self.crossing.near_z - 4.2)
            stops.append(self.crossing.near_z - 5.4)
        elif dice.chance(0.15):
            self.zebras.append(dice.between(6, 30))
        arrows = [(self.lane_centres[-1], dice.between(6, 16))] if dice.chance(0.15) else []
        patches = [
            Patch(
                s=dice.between(self.left + 0.5, self.right - 0.5),
                z=dice.between(3, 30),
                width_m=dice.between(0.4, 2.2),
                length_m=dice.between(0.5, 6.0),
                tone=dice.between(0.78, 1.12),
            )
            for _ in range(dice.whole(0, 5))
        ]
        grey = dice.between(78, 128)
        road: Color = dice.shade((grey, grey * 1.005, grey * 1.02), 0.04)
        pavement = dice.pick(((150, 146, 140), (168, 162, 152), (140, 142, 146), (160, 140, 128)))
        grass = dice.pick(((108, 128, 62), (126, 134, 70), (92, 116, 60), (140, 130, 84)))
        rails: tuple[float, ...] = ()
        if self.tram:
            middle = self.oncoming_centres[0]
            rails = (middle - 0.72, middle + 0.72, self.lane_centres[-1] - 0.72, self.lane_centres[-1] + 0.72)
        return Ground(
            self.left,
            self.right,
            self.sides,
            lines=tuple(lines),
            rails=rails,
            zebras=tuple(self.zebras),
            stops=tuple(stops),
            arrows=tuple(arrows),
            crossing=self.crossing,
            patches=tuple(patches),
            colors={
                Label.ROAD: road,
                Label.SIDEWALK: dice.shade(pavement, 0.15),
                Label.TERRAIN: dice.shade(grass, 0.2),
            },
            wear=dice.between(0.05, 0.55),
            paving_m=dice.between(0.6, 1.6),
            bicycle_lane=bicycle_lane,
        )

    # What stands along the street.

    def fill(self, things: list[Thing]) -> None:
        """Add everything, in no particular order."""
        self._add_backdrop(things)
        for sign in (-1, 1):
            self._add_plots(things, sign)
            self._add_kerbside(things, sign)
            self._add_parked(things, sign)
            self._add_people(things, sign)
        self._add_traffic(things)
        if self.crossing:
            self._add_junction(things, self.crossing)

    def _edge(self, sign: int) -> float:
        """Lateral position of the fronts of the plots."""
        return (self.left if sign < 0 else self.right) + sign * self.sides[(sign + 1) // 2].width_m

    def _open(self, sign: int, z: float, margin: float = 0.0) -> bool:
        """Whether nothing may stand here because a street crosses."""
        crossing = self.crossing
        if crossing is None:
            return False
        if crossing.ends_street and z > crossing.near_z - 2.5 - margin:
            return True
        return (crossing.left if sign < 0 else crossing.right) and (
            crossing.near_z - 2.5 - margin < z < crossing.far_z + 2.5 + margin
        )

    def _add_backdrop(self, things: list[Thing]) -> None:
        dice = self.dice
        z = self.ground.end_z + dice.between(4, 9) if self.ground.end_z < BACKDROP_M else BACKDROP_M
        close = z < BACKDROP_M
        reach = 70.0 if close else 190.0
        green = {"park": 0.8, "edge": 0.8, "houses": 0.5}.get(self.neighbourhood, 0.25)
        s = -reach
        while s < reach:
            width = dice.between(9, 22) * (1 if close else 1.7)
            if dice.chance(green):
                count = 2 if close else 1
                for number in range(count):
                    tree = Plant.tree(
                        dice, s + width * (number + 0.5) / count, z + dice.between(0, 3), 1.0 if close else 1.5
                    )
                    things.append(tree)
                things.append(Plant.bush(dice, s + width / 2, z + 2, 3.0, 5.0))
            else:
                height = dice.between(7, 19) if close else dice.between(8, 30)
                things.append(Building.sample(dice, 0, (s, s + width), (z, z + 8), height, 0.25))
            s += width

    def _add_plots(self, things: list[Thing], sign: int) -> None:
        dice, crossing = self.dice, self.crossing
        frontage = Frontage(dice, things, sign, self._edge(sign), self.autumn, self._open)
        z = -dice.between(2, 14)
        while z < 125:
            if self._open(sign, max(z, 0)) or self._open(sign, z + 3):
                if crossing and crossing.ends_street and z > crossing.near_z:
                    return
                z += 2.0
                continue
            length = dice.between(8, 20) * (1 if z < 60 else 1.6)
            if crossing and z < crossing.near_z < z + length + 2.5 and self._open(sign, crossing.near_z):
                length = max(3.0, crossing.near_z - 2.5 - z)
            frontage.plot(self.neighbourhood, z, length)
            z += length

    def _add_kerbside(self, things: list[Thing], sign: int) -> None:
        """Trees, lamps, signs and bollards between kerb and plots."""
        dice = self.dice
        kerb = self.left if sign < 0 else self.right
        at = kerb + sign * 0.55
        if self.sides[(sign + 1) // 2].width_m > 2.4 and dice.chance(0.5):
            step = dice.between(7, 14)
            size = dice.between(0.6, 1.0)
            z = dice.between(4, 12)
            while z < 110:
                if not self._open(sign, z, 2.0) and dice.chance(0.88):
                    things.append(Plant.tree(dice, at + sign * 0.4, z, size * dice.between(0.8, 1.2), self.autumn))
                z += step if z < 60 else 2 * step
        z = dice.between(5, 25)
        step = dice.between(18, 35)
        while z < 110:
            if not self._open(sign, z):
                things.append(Pole.lamp(dice, at, z, -sign))
            z += step
        for _ in range(dice.whole(0, 3)):
            z = dice.between(5, 45)
            if not self._open(sign, z):
                things.append(Pole.sign_post(dice, at + sign * 0.2, z))
        if dice.chance(0.15):
            start, step = dice.between(4, 12), dice.between(1.5, 2.5)
            for number in range(dice.whole(3, 9)):
                if not self._open(sign, start + number * step):
                    things.append(Pole.bollard(dice, kerb + sign * 0.3, start + number * step))
        for z in self.zebras:
            if dice.chance(0.4):
                things.append(Pole.sign_post(dice, at, z))

    def _add_parked(self, things: list[Thing], sign: int) -> None:
        dice = self.dice
        width = self.parking[(sign + 1) // 2]
        if not width:
            return
        kerb = self.left if sign < 0 else self.right
        density = dice.between(0.3, 0.95)
        z = dice.between(3.5, 9)
        while z < 85:
            length = dice.between(5.1, 6.3)
            near_crossing = self._open(sign, z, 5.0) or any(abs(z - zebra) < 6 for zebra in self.zebras)
            if dice.chance(density) and not near_crossing:
                yaw = (0.0 if sign > 0 or dice.chance(0.2) else math.pi) + dice.between(-0.03, 0.03)
                if dice.chance(0.025):
                    things.append(Vehicle.sample(dice, "truck", kerb - sign * 1.35, z + 3, yaw))
                    z += 4.0
                elif dice.chance(0.05):
                    things.append(TwoWheeler.sample(dice, kerb - sign * 0.9, z, True, False, dice.between(-0.9, 0.9)))
                else:
                    things.append(Vehicle.sample(dice, dice.pick(CARS), kerb - sign * dice.between(0.95, 1.15), z, yaw))
            z += length

    def _add_people(self, things: list[Thing], sign: int) -> None:
        dice = self.dice
        kerb, edge = (self.left if sign < 0 else self.right), self._edge(sign)
        for _ in range(int(dice.between(0, 9) * self.crowd + dice.unit() * 2)):
            z, s = dice.between(5, 45), dice.between(kerb + sign * 0.5, edge - sign * 0.2)
            things.append(Person.sample(dice, s, z))
            if dice.chance(0.35):
                things.append(Person.sample(dice, s + dice.between(0.4, 0.7), z + dice.between(-0.3, 0.3)))
        if dice.chance(0.3):
            z = dice.between(5, 25)
            for number in range(dice.whole(1, 5)):
                at = z + number * dice.between(0.5, 0.9)
                if not self._open(sign, at):
                    things.append(TwoWheeler.sample(dice, edge - sign * 0.6, at, False, False, dice.between(0.5, 1.0)))
        if dice.chance(0.06):
            z = dice.between(5, 20)
            things.append(TwoWheeler.sample(dice, kerb + sign * 0.8, z, True, False, dice.between(0.5, 1.0)))

    def _add_traffic(self, things: list[Thing]) -> None:
        dice = self.dice
        end = min(self.ground.end_z - 8, 100.0)
        busy = dice.between(0.2, 1.0)
        first = dice.between(8, 34)
        for lanes, yaw in ((self.lane_centres, 0.0), (self.oncoming_centres, math.pi)):
            for number, s in enumerate(lanes):
                z = first if yaw == 0.0 and number == 0 else dice.between(6, 40)
                while z < end:
                    if dice.chance(busy):
                        z += self._add_moving(things, s + dice.between(-0.2, 0.2), z, yaw)
                    z += dice.between(8, 30)
        if self.tram and dice.chance(0.75):
            z = dice.between(22, 60)
            if z + 16 < end or self.ground.end_z > 100:
                things.append(Vehicle.sample(dice, "tram", self.oncoming_centres[0], z, math.pi))

    def _add_moving(self, things: list[Thing], s: float, z: float, yaw: float) -> float:
        """One vehicle whose near end is at ``z``; returns its length."""
        dice = self.dice
        kind = dice.unit()
        if kind < 0.09:
            offset = 0.9 if yaw == 0.0 else -0.9
            turn = dice.between(0.16, 0.4) * dice.pick((-1, 1))
            things.append(TwoWheeler.sample(dice, s + offset, z, kind < 0.03, True, turn))
            return 2.0
        model = "truck" if kind < 0.15 else "bus" if kind < 0.2 else dice.pick(CARS)
        vehicle = Vehicle.sample(dice, model, s, z, yaw + dice.between(-0.02, 0.02))
        vehicle = Vehicle(
            model, s, z + vehicle.length_m / 2, vehicle.yaw, vehicle.color, vehicle.second_color, vehicle.lamps_on
        )
        things.append(vehicle)
        return vehicle.length_m

    def _add_junction(self, things: list[Thing], crossing: Crossing) -> None:
        dice = self.dice
        lights = dice.chance(0.65)
        for sign in (-1, 1):
            at = (self.left if sign < 0 else self.right) + sign * 0.6
            if lights:
                things.append(Pole.traffic_light(dice, at, crossing.near_z - 2.0, -sign))
                if not crossing.ends_street and dice.chance(0.6):
                    things.append(Pole.traffic_light(dice, at, crossing.far_z + 2.0, -sign))
            elif dice.chance(0.7):
                things.append(Pole.sign_post(dice, at, crossing.near_z - 2.0))
        middle = (crossing.near_z + crossing.far_z) / 2
        lane = (crossing.far_z - crossing.near_z) / 4
        low, high = (-26.0 if crossing.left else self.left + 4), (26.0 if crossing.right else self.right - 4)
        for direction in (-1, 1):
            if dice.chance(0.5):
                kind = dice.unit()
                s, z = dice.between(low, high), middle + direction * lane
                yaw = math.pi / 2 * -direction
                if kind < 0.2:
                    things.append(TwoWheeler.sample(dice, s, z, kind < 0.06, True, -direction * dice.between(0.8, 1.0)))
                else:
                    model = (
                        "bus" if kind < 0.28 else "truck" if kind < 0.36 else "tram" if kind < 0.4 else dice.pick(CARS)
                    )
                    things.append(Vehicle.sample(dice, model, s, z, yaw))
        for z in self.zebras:
            for _ in range(int(dice.between(0, 5) * self.crowd + dice.unit() * 1.6)):
                things.append(Person.sample(dice, dice.between(self.left, self.right), z + dice.between(0.3, 2.9)))
