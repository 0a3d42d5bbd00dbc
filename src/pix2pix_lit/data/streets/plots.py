"""The plots behind the pavement: buildings, gardens and trees along one side of a street."""

import math
from collections.abc import Callable

from pix2pix_lit.data.streets.buildings import Building
from pix2pix_lit.data.streets.canvas import Color, Dice, Thing
from pix2pix_lit.data.streets.furniture import Barrier
from pix2pix_lit.data.streets.plants import Plant

# What is built in each kind of neighbourhood, repeated in proportion: names of methods of ``Frontage``.
NEIGHBOURHOODS: dict[str, tuple[str, ...]] = {
    "city": ("block",) * 9 + ("gap",),
    "offices": ("tower", "tower", "block", "gap", "green"),
    "houses": ("house", "house", "house", "house", "green"),
    "park": ("green", "green", "green", "wood", "block"),
    "edge": ("wood", "green", "wall", "house", "tower"),
}
_BARRIER_COLORS: dict[str, tuple[Color, ...]] = {
    "wall": ((172, 164, 150), (150, 120, 100), (190, 186, 176), (130, 128, 124)),
    "boards": ((140, 104, 70), (110, 90, 72), (196, 192, 182), (90, 110, 90)),
    "bars": ((52, 58, 54), (90, 94, 96), (40, 60, 50)),
    "mesh": ((52, 58, 54), (90, 94, 96), (40, 60, 50)),
}


class Frontage:
    """One side of the street; every method but ``plot`` fills the ``length`` metres that begin at ``z``."""

    def __init__(
        self,
        dice: Dice,
        things: list[Thing],
        sign: int,
        edge: float,
        autumn: bool,
        is_open: Callable[[int, float], bool],
    ) -> None:
        self.dice, self.things, self.autumn = dice, things, autumn
        self.sign, self.edge = sign, edge  # -1 left or 1 right; s of the front of the plots
        self.is_open = is_open  # (sign, z): whether a crossing street must stay free here
        # Terraces share their height.
        self.terrace_m = dice.between(9, 23) if dice.chance(0.5) else 0.0
        self.block_end = math.nan  # z of the far end of the last block

    def plot(self, neighbourhood: str, z: float, length: float) -> None:
        """Fill one plot with something that suits the neighbourhood."""
        fill: Callable[[float, float], None] = getattr(self, self.dice.pick(NEIGHBOURHOODS[neighbourhood]))
        fill(z, length)

    def block(self, z: float, length: float) -> None:
        """A house of several storeys, wall to wall with the next."""
        height = (self.terrace_m or self.dice.between(8, 23)) * self.dice.between(0.9, 1.12)
        footprint = (self.edge, self._behind(self.dice.between(9, 14)))
        joined = self.block_end == z
        self.block_end = z + length
        self.things.append(Building.sample(self.dice, self.sign, footprint, (z, z + length), height, 0.15, joined))

    def tower(self, z: float, length: float) -> None:
        """A detached, mostly modern building, perhaps with a tree in front."""
        setback = self.dice.between(0, 8)
        footprint = (self._behind(setback), self._behind(setback + self.dice.between(12, 20)))
        height = self.dice.between(14, 38)
        self.things.append(Building.sample(self.dice, self.sign, footprint, (z, z + 0.9 * length), height, 0.85))
        if self.dice.chance(0.5):
            self._tree(1.5, z + length / 2, 0.7)

    def house(self, z: float, length: float) -> None:
        """A small house behind a garden."""
        dice = self.dice
        setback = dice.between(3, 7)
        footprint = (self._behind(setback), self._behind(setback + dice.between(8, 11)))
        near = z + dice.between(1, 3)
        far = max(near + 5, z + length - dice.between(1, 3))
        self.things.append(Building.sample(dice, self.sign, footprint, (near, far), dice.between(4, 8), 0.02))
        enclosure = dice.pick(("hedge", "wall", "boards", "bars", "mesh", "open"))
        if enclosure == "hedge":
            at = z
            while at < z + length:
                self._bush(0.6, at, 1.3, 1.9)
                at += 1.5 if z < 30 else 3.0
        elif enclosure != "open":
            self._barrier(z, length, enclosure, dice.between(0.8, 1.4))
        for _ in range(dice.whole(0, 2)):
            self._bush(dice.between(1.2, 2.8), z + dice.between(0, length))
        if dice.chance(0.5):
            self._tree(2, z + dice.between(0, length), 0.75)

    def green(self, z: float, length: float) -> None:
        """A few trees and bushes on grass."""
        dice = self.dice
        for _ in range(dice.whole(2, 4)):
            self._tree(dice.between(1.5, 14), z + dice.between(0, length), dice.between(0.8, 1.4))
        for _ in range(dice.whole(0, 3)):
            self._bush(dice.between(0.8, 9), z + dice.between(0, length))
        if dice.chance(0.35):
            self._barrier(z, length, dice.pick(("bars", "mesh", "wall", "boards")), 1.3)

    def wood(self, z: float, length: float) -> None:
        """Trees close together with bushes beneath."""
        dice = self.dice
        step = 3.5 if z < 40 else 7.0
        for number in range(int(length / step)):
            at = z + number * step
            self._tree(dice.between(2, 5), at, dice.between(0.8, 1.3))
            self._bush(dice.between(3, 8), at + 1.5, 2.4, 2.2)

    def wall(self, z: float, length: float) -> None:
        """A high wall or fence with trees behind."""
        dice = self.dice
        self._barrier(z, length, dice.pick(("wall", "wall", "mesh")), dice.between(1.6, 3.2))
        for _ in range(dice.whole(1, 3)):
            self._tree(dice.between(2, 8), z + dice.between(0, length), 1.1)

    def gap(self, z: float, length: float) -> None:
        """An empty plot, fenced off."""
        self._barrier(z, length, self.dice.pick(("wall", "boards", "bars", "mesh")), self.dice.between(1.5, 2.4))
        self._tree(4, z + length / 2, 1.0)

    def _behind(self, metres: float) -> float:
        """Lateral position this far behind the front of the plots."""
        return self.edge + self.sign * metres

    def _tree(self, behind: float, z: float, size: float) -> None:
        self.things.append(Plant.tree(self.dice, self._behind(behind), z, size, self.autumn))

    def _bush(self, behind: float, z: float, high_m: float = 1.4, wide: float = 1.6) -> None:
        self.things.append(Plant.bush(self.dice, self._behind(behind), z, high_m, wide))

    def _barrier(self, z: float, length: float, kind: str, height: float) -> None:
        """A wall or fence along the front, in pieces short enough to be sorted by depth among other things."""
        dice = self.dice
        color = dice.shade(dice.pick(_BARRIER_COLORS[kind]), 0.2)
        count = max(1, round(length / (2.8 if z < 40 else 6.0)))
        step = length / count
        for number in range(count):
            near, far = z + number * step, z + (number + 1) * step
            poster = dice.shade((180, 120, 90), 0.5) if kind == "wall" and dice.chance(0.12) else None
            if far > 1.2 and not self.is_open(self.sign, near) and not self.is_open(self.sign, far):
                start, end = (self.edge, max(near, 0.6)), (self.edge, far)
                self.things.append(Barrier(kind, start, end, height, color, poster))
