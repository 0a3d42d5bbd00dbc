"""The table for the terminal."""

from collections.abc import Sequence
from itertools import zip_longest

from pix2pix_lit.data.audit.findings import CHECKS, Finding, Report

_WIDEST = 100  # characters of a finding in the table


def as_table(report: Report) -> str:
    """Summary, checks and findings in lines of aligned columns."""
    splits = [["split", "pairs", "size", "files", "A", "B"]]
    for name, summary in report.splits.items():
        columns = [shares(summary.sizes), shares(summary.suffixes), [summary.a], [summary.b]]
        for row, cells in enumerate(zip_longest(*columns, fillvalue="")):
            splits.append([name if row == 0 else "", str(summary.pairs) if row == 0 else "", *cells])
    checks = [["severity", "check", "found", ""]]
    for check in CHECKS:
        found = report.of(check.name)
        note = report.skipped.get(check.name, "")
        remark = f"not checked: {note}" if note else ""
        if found:
            remark = _shortened(_example(found[0]))
        count = str(len(found)) if found or not note else "?"
        checks.append([check.severity if found else "", check.name, count, remark])
    pixels = [
        f"Pixels off the palette in {name} {side.upper()}, by RGB units: {off_palette_text(figures)}"
        for name, summary in report.splits.items()
        for side, figures in summary.off_palette.items()
    ]
    seen = [
        f"The network sees {name} {side.upper()} {seen_text(figures)}"
        for name, summary in report.splits.items()
        for side, figures in summary.seen.items()
    ]
    remedies = [f"{finding.check}: {finding.to_type}" for finding in report.findings if finding.to_type]
    if remedies:
        remedies = ["To fix these, add:", *dict.fromkeys(remedies), ""]
    lines = [*_aligned(splits), *seen, *pixels, "", *_aligned(checks), "", *remedies, report.verdict]
    return "\n".join(lines)


def shares(counts: dict[str, int], most: int = 4) -> list[str]:
    """Each value with its count, if there are several; rare ones are combined."""
    if len(counts) == 1:
        return list(counts)
    shown = [f"{value}: {count}" for value, count in list(counts.items())[:most]]
    return [*shown, f"and {len(counts) - most} more"] if len(counts) > most else shown


def off_palette_text(figures: dict[str, float]) -> str:
    """Shares of label pixels off the palette, in words."""
    if not any(figures.values()):
        return "none"
    return ", ".join(f"{share:.1%} {'inexact' if units == '0' else f'> {units}'}" for units, share in figures.items())


def seen_text(figures: dict[str, float]) -> str:
    """Part of [-1, 1] that a network sees of images, in words."""
    clipped = f", {figures['clipped']:.1%} clipped" if figures["clipped"] else ""
    return f"from {figures['low']:.2f} to {figures['high']:.2f}{clipped}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _example(finding: Finding) -> str:
    """The message of a finding, with its place if the message does not contain it."""
    place = finding.places[0] if finding.places else None
    if place is None or place.name in finding.message:
        return finding.message
    return f"{place.split}/{place.name}: {finding.message}"


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
