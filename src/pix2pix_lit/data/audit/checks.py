"""The checks: measurements -> findings. Statistics are taken over all splits together."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from pix2pix_lit.data.audit import sides
from pix2pix_lit.data.audit.findings import CHECKS, SIDES, Finding, Place
from pix2pix_lit.data.audit.measure import FAR, Failure, Measures
from pix2pix_lit.data.audit.palette_check import off_palette
from pix2pix_lit.data.audit.split import Split
from pix2pix_lit.data.audit.values import MOST_CLIPPED, better_setting, seen_by_network
from pix2pix_lit.data.pair import SinglePhotosError
from pix2pix_lit.images import registration

Skipped = dict[str, str]


def run_checks(splits: Sequence[Split], snap_labels: bool) -> tuple[list[Finding], Skipped]:
    """Run all checks.

    Args:
        splits: measurements of all pairs.
        snap_labels: whether label colours will be replaced by the nearest ones of the palette.

    Returns:
        Findings in the order of ``CHECKS``, and the checks that were skipped, with the reason.
    """
    skipped: Skipped = {}
    findings = list(
        chain(
            _unreadable(splits),
            _missing(splits),
            _left_out(splits),
            _no_pairs(splits),
            _constant(splits),
            _same(splits),
        )
    )
    findings += _value_range(splits)
    swapped = list(_swapped_sides(splits, skipped))
    findings += swapped
    if swapped:
        skipped["off the palette"] = skipped["turned pair"] = "the sides are swapped"
    else:
        findings += chain(off_palette(splits, snap_labels), _turned(splits, skipped))
    findings += _misregistered(splits, skipped)
    order = [check.name for check in CHECKS]
    return sorted(findings, key=lambda finding: order.index(finding.check)), skipped


def _unreadable(splits: Sequence[Split]) -> Iterator[Finding]:
    for split in splits:
        for index, result in enumerate(split.results):
            if isinstance(result, Failure):
                check = "size mismatch" if result.is_size_mismatch else "unusable"
                yield Finding(check, result.message, (split.place(index),))


def _missing(splits: Sequence[Split]) -> Iterator[Finding]:
    for split in splits:
        for path in split.source.missing:
            yield Finding(
                "missing partner", f"{path} has no partner", (Place(split.name, None, path.name, (str(path),)),)
            )


def _left_out(splits: Sequence[Split]) -> Iterator[Finding]:
    """Images that sources skip; once, if splits share a folder."""
    reported: set[Path] = set()
    for split in splits:
        for path, reason in split.source.left_out.items():
            if path not in reported:
                reported.add(path)
                place = Place(split.name, None, path.name, (str(path),))
                yield Finding("left out", f"{path}: {reason}", (place,))


def _no_pairs(splits: Sequence[Split]) -> Iterator[Finding]:
    for split in splits:
        try:
            doubt = split.source.check()
        except SinglePhotosError as error:
            yield Finding("single photos", str(error))
        else:
            if doubt is not None:
                yield Finding("strange halves", doubt)


def _constant(splits: Sequence[Split]) -> Iterator[Finding]:
    for split in splits:
        for index, result in split.measured():
            blank = [side for side, digest in zip(SIDES, result.digests, strict=True) if digest is None]
            if blank:
                message = f"{' and '.join(blank)} {'has' if len(blank) == 1 else 'have'} a single colour"
                yield Finding("constant", message, (split.place(index),))


def _same(splits: Sequence[Split]) -> Iterator[Finding]:
    """Equal pairs, and equal images with different partners, within a split and across splits."""
    pair_of: dict[Place, Hashable] = {}
    for digests, places in _groups(splits, lambda result: result.digests if any(result.digests) else None):
        pair_of |= dict.fromkeys(places, digests)
        by_split = _by_split(places)
        for split, own in by_split.items():
            if len(own) > 1:
                yield Finding("duplicate", f"{len(own)} times the same pair in {split}: {_names(own)}", tuple(own))
        if len(by_split) > 1:
            yield Finding("leak", f"the same pair in {' and '.join(by_split)}: {_names(places)}", tuple(places))
    for number, side in enumerate(SIDES):
        for _, places in _groups(splits, lambda result, number=number: result.digests[number]):  # type: ignore[misc]
            # One pair represents all equal ones.
            one_each = {(place.split, pair_of.get(place, place)): place for place in reversed(places)}
            places = list(reversed(one_each.values()))
            by_split = _by_split(places)
            for split, own in by_split.items():
                if len(own) > 1:
                    message = f"the same {side} with {len(own)} partners in {split}: {_names(own)}"
                    yield Finding("repeated image", message, tuple(own))
            if len(by_split) > 1 and len({pair for _, pair in one_each}) > 1:
                message = f"the same {side} with different partners in {' and '.join(by_split)}: {_names(places)}"
                yield Finding("shared image", message, tuple(places))


def _swapped_sides(splits: Sequence[Split], skipped: Skipped) -> Iterator[Finding]:
    a, b = splits[0].source.a, splits[0].source.b
    results = [result for *_, result in _comparable(splits)]
    if a.is_labels == b.is_labels or len(results) < registration.FEWEST:
        skipped["swapped sides"] = (
            "both sides are declared alike" if a.is_labels == b.is_labels else registration.TOO_FEW
        )
        return
    labels, photo = (0, 1) if a.is_labels else (1, 0)
    off = [(result.off_palette[labels], result.off_palette[photo]) for result in results]
    if sides.labels_look_like_photos(
        [(result.appearances[labels], result.appearances[photo]) for result in results],
        [(own[FAR], other[FAR]) for own, other in off if own and other],
    ):
        yield Finding(
            "swapped sides",
            f"{SIDES[labels]} is declared as labels but looks like photos, and {SIDES[photo]} is declared as photos "
            f"but looks like labels: exchange data.source.a and data.source.b, and reverse data.direction",
        )


def _value_range(splits: Sequence[Split]) -> Iterator[Finding]:
    for number, side in enumerate(SIDES):
        image_type = (splits[0].source.a, splits[0].source.b)[number]
        seen = {split.name: seen_by_network(split.values(number), image_type) for split in splits}
        poor = {name: figures for name, figures in seen.items() if figures is not None and figures.is_poor}
        together = seen_by_network([values for split in splits for values in split.values(number)], image_type)
        if not poor or together is None:
            continue
        worst = next(iter(poor.values()))
        low, high = image_type.limits
        what = f"{worst.clipped:.0%} clipped" if worst.clipped > MOST_CLIPPED else f"{worst.used:.1%} of [-1, 1]"
        message = (
            f"the network sees {side} from {worst.low:.2f} to {worst.high:.2f}, {what}: files of {' and '.join(poor)} "
            f"hold {together.lowest:.6g} to {together.highest:.6g}, but {low:.6g} to {high:.6g} are -1 and 1"
        )
        figures = {key: getattr(worst, key) for key in ("used", "clipped", "lowest", "highest")}
        to_type = better_setting(together, image_type, side.lower())
        yield Finding("value range", message, figures=figures, to_type=to_type)


def _turned(splits: Sequence[Split], skipped: Skipped) -> Iterator[Finding]:
    items = _comparable(splits)
    turned, reason = sides.turned_pairs([result.appearances for *_, result in items])
    if reason:
        skipped["turned pair"] = reason
    for item in turned:
        split, index, _ = items[item]
        yield Finding("turned pair", "A looks like B of the other pairs, and B like A", (split.place(index),))


def _misregistered(splits: Sequence[Split], skipped: Skipped) -> Iterator[Finding]:
    items = _comparable(splits)
    mixed = [result.mixed for *_, result in items if result.mixed is not None]
    found = registration.find_misregistered([result.registration for *_, result in items], mixed)
    if found.skipped:
        skipped["misregistered"] = found.skipped
    if found.all_shifted is not None:
        dx, dy = found.all_shifted
        yield Finding(
            "misregistered",
            f"in the whole data set, B agrees with A when moved {_moved(dx, dy)}",
            figures={"dx": dx, "dy": dy},
        )
    usual = f"usual here: {found.usual:.2f}"
    for item in found.shifted:
        split, index, result = items[item]
        measured = result.registration
        message = (
            f"B agrees with A when moved {_moved(measured.dx, measured.dy)} (correlation of edges "
            f"{measured.best:.2f}, unmoved {measured.here:.2f}; {usual})"
        )
        figures = {"dx": measured.dx, "dy": measured.dy, "moved": measured.best, "unmoved": measured.here}
        yield Finding("misregistered", message, (split.place(index),), figures)
    for item in found.mismatched:
        split, index, result = items[item]
        here = result.registration.here
        message = f"B agrees with A no better than the B of another pair (correlation of edges {here:.2f}; {usual})"
        yield Finding("misregistered", message, (split.place(index),), {"unmoved": here, "usual": found.usual})


def _comparable(splits: Sequence[Split]) -> list[tuple[Split, int, Measures]]:
    """All pairs without an image of a single colour."""
    return [(split, index, result) for split in splits for index, result in split.measured() if all(result.digests)]


def _groups(
    splits: Sequence[Split], key: Callable[[Measures], Hashable | None]
) -> Iterator[tuple[Hashable, list[Place]]]:
    """Keys shared by several pairs, and these pairs."""
    groups: dict[Hashable, list[tuple[Split, int]]] = defaultdict(list)
    for split in splits:
        for index, result in split.measured():
            if (found := key(result)) is not None:
                groups[found].append((split, index))
    for found, members in groups.items():
        if len(members) > 1:
            yield found, [split.place(index) for split, index in members]


def _by_split(places: Sequence[Place]) -> dict[str, list[Place]]:
    groups = defaultdict(list)
    for place in places:
        groups[place.split].append(place)
    return groups


def _names(places: Sequence[Place], most: int = 4) -> str:
    shown = ", ".join(f"{place.split}/{place.name}" for place in places[:most])
    return shown + (f" and {len(places) - most} more" if len(places) > most else "")


def _moved(dx: float, dy: float) -> str:
    return f"{abs(dx):.0f} px to the {'right' if dx > 0 else 'left'} and {abs(dy):.0f} px {'down' if dy > 0 else 'up'}"
