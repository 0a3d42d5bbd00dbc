"""The check of label colours: which of them are off the palette."""

from collections.abc import Iterator, Sequence

import numpy as np

from pix2pix_lit.data.audit.colors import MOST_COLORS, NEAR, Cluster, clusters, distances
from pix2pix_lit.data.audit.findings import SIDES, Finding
from pix2pix_lit.data.audit.measure import FAR
from pix2pix_lit.data.audit.split import Split

_LEAST_OFF_PALETTE = 0.01  # negligible share of a label image's pixels far from the palette
_TIMES_USUAL = 4.0  # a pair is conspicuous with more than this many times the usual share
_WRONG_PALETTE = 0.5  # with at least this usual share, the palette is not that of the labels
_LEAST_MISSING = 0.005  # with at least this share of flat pixels, a colour outside of the palette is a class


def off_palette(splits: Sequence[Split], snap_labels: bool) -> Iterator[Finding]:
    """Find palettes that are wrong, incomplete or not met exactly, and pairs with unusually many other colours."""
    for number, side in enumerate(SIDES):
        image_type = (splits[0].source.a, splits[0].source.b)[number]
        items = [
            (split, index, result.off_palette[number])
            for split in splits
            for index, result in split.measured()
            if image_type.kind == "colors" and result.off_palette[number]
        ]
        if not items:
            continue
        palette = image_type.palette_colors
        assert palette is not None
        found = clusters([result.colors[number] for split in splits for _, result in split.measured()])
        if 0 < len(found) <= MOST_COLORS:  # images with more colours are not labels
            strange = [cluster for cluster, off in zip(found, distances(found, palette), strict=True) if off > NEAR]
            if _total(strange) > _WRONG_PALETTE * _total(found):
                yield _wrong_palette(side, found, palette)
                continue
            missing = [cluster for cluster in strange if cluster.share > _LEAST_MISSING]
            if missing:
                yield _lacking_palette(side, missing, palette)
        key = f"data.source.{side.lower()}.palette"
        usual = float(np.median([shares[FAR] for *_, shares in items]))
        inexact = float(np.median([shares[0] for *_, shares in items if 0 in shares] or [0.0]))
        if usual > _WRONG_PALETTE:
            yield Finding(
                "off the palette",
                f"usually {usual:.0%} of the pixels of {side} are more than {FAR} RGB units from every colour of the "
                f"palette: is {key} the palette of these labels?",
                figures={"usual_share": usual},
            )
            continue
        if inexact > _LEAST_OFF_PALETTE and not snap_labels:
            yield Finding(
                "off the palette",
                f"usually {inexact:.0%} of the pixels of {side} do not have exactly a colour of the palette, as after "
                f"JPEG compression or interpolation: data.snap_labels=true replaces them by the nearest colours",
                figures={"usual_inexact_share": inexact},
            )
        most = max(_LEAST_OFF_PALETTE, _TIMES_USUAL * usual)
        for split, index, shares in items:
            if shares[FAR] > most:
                message = (
                    f"{shares[FAR]:.1%} of the pixels of {side} are more than {FAR} RGB units from every colour of the "
                    f"palette (usual: {usual:.1%})"
                )
                figures = {"share": shares[FAR], "usual_share": usual}
                yield Finding("off the palette", message, (split.place(index),), figures)


def _wrong_palette(side: str, found: Sequence[Cluster], palette: np.ndarray) -> Finding:
    most = float(np.median([distance for distance in distances(found, palette) if distance > NEAR]))
    message = (
        f"the colours of {side} form {len(found)} clusters, at {_shares(found)}; data.source.{side.lower()}.palette "
        f"expects {len(palette)}, {_colors(palette.tolist())}; most are {most:.0f} RGB units off: wrong palette? "
        f"(Clusters rarer than 1 in 2000 pixels are not found)"
    )
    colors = sorted(cluster.color for cluster in found)
    return Finding("off the palette", message, figures={"most_units": most}, to_type=_palette_setting(side, colors))


def _lacking_palette(side: str, missing: Sequence[Cluster], palette: np.ndarray) -> Finding:
    colors = [*palette.tolist(), *(cluster.color for cluster in missing)]
    message = f"colours of {side} that are not in the palette but as frequent as those of classes: {_shares(missing)}"
    figures = {"missing_share": _total(missing)}
    return Finding("off the palette", message, figures=figures, to_type=_palette_setting(side, colors))


def _palette_setting(side: str, colors: Sequence[Sequence[int]]) -> str:
    listed = ",".join(f"[{red},{green},{blue}]" for red, green, blue in colors)
    return f"'data.source.{side.lower()}.palette=[{listed}]'"


def _total(found: Sequence[Cluster]) -> float:
    return sum(cluster.share for cluster in found)


def _colors(colors: Sequence[Sequence[int]]) -> str:
    return ", ".join(f"({red}, {green}, {blue})" for red, green, blue in colors)


def _shares(found: Sequence[Cluster]) -> str:
    return ", ".join(f"{_colors([cluster.color])} {cluster.share:.1%}" for cluster in found)
