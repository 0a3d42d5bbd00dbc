"""A split with its measurements and its summary."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pix2pix_lit.data.audit.findings import Place, Summary
from pix2pix_lit.data.audit.measure import DISTANCES, Failure, Measures
from pix2pix_lit.data.audit.values import Values, seen_by_network
from pix2pix_lit.data.pair import PairSource
from pix2pix_lit.images.image_type import ImageType


@dataclass(frozen=True)
class Split:
    """A split of the data set.

    Args:
        name: of the split.
        source: of its pairs.
        results: measurements of all pairs, in their order.
    """

    name: str
    source: PairSource
    results: Sequence[Measures | Failure]

    def measured(self) -> Iterator[tuple[int, Measures]]:
        """Index and measurements of the pairs that can be read."""
        for index, result in enumerate(self.results):
            if isinstance(result, Measures):
                yield index, result

    def place(self, index: int) -> Place:
        """The pair at ``index`` as a ``Place``."""
        files = self.source.files(index)
        result = self.results[index]
        names = [result.name] if isinstance(result, Measures) else [path.name for path in files]
        return Place(self.name, index, (names or [f"pair {index}"])[0], tuple(str(path) for path in files))

    def values(self, number: int) -> list[Values]:
        """Values of A (0) or B (1) of each pair; empty for class numbers."""
        values = [result.values[number] for _, result in self.measured()]
        return [value for value in values if value is not None]

    def summary(self) -> Summary:
        """Summary of the split."""
        sizes = Counter(f"{result.size[0]}x{result.size[1]}" for _, result in self.measured())
        suffixes = Counter(
            "+".join(dict.fromkeys(path.suffix.lower() for path in self.source.files(index))) or "made on demand"
            for index in range(len(self.results))
        )
        off_palette = {}
        for number, side in enumerate("ab"):
            shares = [result.off_palette[number] for _, result in self.measured()]
            shares = [share for share in shares if len(share) == len(DISTANCES)]
            if shares:
                off_palette[side] = {
                    str(distance): round(sum(share[distance] for share in shares) / len(shares), 5)
                    for distance in DISTANCES
                }
        seen = {
            side: seen_by_network(self.values(number), image_type)
            for number, (side, image_type) in enumerate((("a", self.source.a), ("b", self.source.b)))
        }
        return Summary(
            pairs=len(self.results),
            missing=len(self.source.missing),
            left_out=len(self.source.left_out),
            sizes=dict(sizes.most_common()),
            suffixes=dict(suffixes.most_common()),
            a=_description(self.source.a),
            b=_description(self.source.b),
            off_palette=off_palette,
            seen={
                side: {key: round(value, 5) for key, value in asdict(found).items()}
                for side, found in seen.items()
                if found is not None
            },
        )


def _description(image_type: ImageType) -> str:
    depth = f"{image_type.channels} x {image_type.dtype}"
    if image_type.kind == "ids":
        return f"ids of {image_type.classes} classes, {depth}"
    if image_type.kind == "colors":
        named = f" of palette {image_type.palette}" if isinstance(image_type.palette, str) else ""
        return f"label colours{named}, {depth}"
    return f"continuous, {depth}"
