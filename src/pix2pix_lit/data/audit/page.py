"""The audit as a self-contained HTML page: summary, checks, and findings with pictures."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from pix2pix_lit.data.audit.findings import CHECKS, Finding, Place, Report
from pix2pix_lit.data.audit.page_pictures import explained, pictures_of
from pix2pix_lit.data.audit.report import off_palette_text, seen_text, shares
from pix2pix_lit.data.audit.split import Split
from pix2pix_lit.data.dataset import evenly_spread
from pix2pix_lit.data.preview import fitted
from pix2pix_lit.errors import printable

MOST_PICTURED = 200
"""Findings per check that are shown with pictures; the others are listed."""

_OVERVIEW = 24  # pairs of each split that are shown
_PLACES = 4  # pairs that are shown per finding
_LONGEST = 256  # longer side of a picture in pixels
_STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")


def write_page(
    path: Path, report: Report, splits: Sequence[Split], network: Mapping[str, Sequence[np.ndarray]]
) -> None:
    """Write the page; the images of findings are read again.

    Args:
        path: the HTML file.
        report: result of the audit.
        splits: for the images of findings.
        network: some pairs as the network sees them, in columns.
    """
    sections = [_found(report, {split.name: split for split in splits})]
    if network:
        sections.append(_network(network))
    sections += [_overview(split) for split in splits]
    page = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {escape(report.title)}</title>
<style>{_STYLE}</style>
<header>
<h1>Audit of <span>{escape(report.title)}</span></h1>
<p class="verdict {"error" if report.count("error") else "fine"}">{escape(report.verdict)}</p>
</header>
<main>
{_summary(report)}
{_checks(report)}
{"".join(sections)}
</main>
<footer>{sum(summary.pairs for summary in report.splits.values())} pairs audited in {report.seconds:.0f} s by
pix2pix-lit audit; all findings and figures are in audit.json.</footer>
</html>
"""
    path.write_text(printable(page), "utf-8")


def _summary(report: Report) -> str:
    cards = []
    for name, summary in report.splits.items():
        rows = {
            "Size": "<br>".join(map(escape, shares(summary.sizes))) or "none can be read",
            "Files": "<br>".join(map(escape, shares(summary.suffixes))),
            "A": escape(summary.a),
            "B": escape(summary.b),
        }
        for side, figures in summary.seen.items():
            rows[f"{side.upper()} in [-1, 1]"] = escape(seen_text(figures))
        for side, figures in summary.off_palette.items():
            rows[f"{side.upper()} off the palette"] = escape(off_palette_text(figures))
        if summary.missing:
            rows["No partner"] = f"{summary.missing:,}"
        if summary.left_out:
            rows["Left out"] = f"{summary.left_out:,}"
        cells = "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in rows.items())
        cards.append(
            f'<div class="card"><h3>{escape(name)}</h3><p class="count">{summary.pairs:,}<small> pairs</small></p>'
            f"<dl>{cells}</dl></div>"
        )
    return f'<section class="cards">{"".join(cards)}</section>'


def _checks(report: Report) -> str:
    rows = []
    for check in CHECKS:
        found, skipped = report.of(check.name), report.skipped.get(check.name)
        state = check.severity if found else "skipped" if skipped else "fine"
        count = f"{len(found):,}" if found else "?" if skipped else "0"
        name = f'<a href="#{_anchor(check.name)}">{check.name}</a>' if found else check.name
        remark = f"{check.meaning} <em>Not checked: {escape(skipped)}.</em>" if skipped else check.meaning
        rows.append(
            f'<tr class="{state}"><td><i></i>{name}</td><td class="number">{count}</td>'
            f"<td>{check.severity if found else ''}</td><td>{remark}</td></tr>"
        )
    return (
        '<section><h2>Checks</h2><div class="scroll"><table><thead><tr><th>Check</th><th class="number">Found</th>'
        f"<th></th><th>What it means</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _found(report: Report, splits: Mapping[str, Split]) -> str:
    """All findings, in a section for each check."""
    sections = []
    for check in CHECKS:
        found = report.of(check.name)
        if not found:
            continue
        cards = "".join(_finding(finding, splits) for finding in found[:MOST_PICTURED])
        rest = "".join(
            f"<li>{escape(', '.join(_label(place) for place in finding.places))}: {escape(finding.message)}</li>"
            for finding in found[MOST_PICTURED:]
        )
        if rest:
            more = f"{len(found) - MOST_PICTURED:,} more, of {len(found):,} in all, without pictures"
            rest = f"<details><summary>{more}</summary><ul>{rest}</ul></details>"
        sections.append(
            f'<section id="{_anchor(check.name)}"><h2>{check.name.capitalize()} <span class="pill {check.severity}">'
            f'{len(found):,}</span></h2><p class="note">{check.meaning}</p><div class="grid">{cards}</div>{rest}'
            "</section>"
        )
    return "".join(sections)


def _finding(finding: Finding, splits: Mapping[str, Split]) -> str:
    """One finding with the images of its pairs."""
    parts = []
    for place in finding.places[:_PLACES]:
        shown = {**pictures_of(splits[place.split], place), **explained(finding.check, splits[place.split], place)}
        images = "".join(_image(picture, f"{caption} of {place.name}", caption) for caption, picture in shown.items())
        parts.append(f'<div class="pair">{images}</div><figcaption>{_caption(place)}</figcaption>')
    rest = [_label(place) for place in finding.places[_PLACES:]]
    more = f"<details><summary>{len(rest)} more</summary>{escape(', '.join(rest))}</details>" if rest else ""
    kind = "" if parts else ' class="whole"'
    remedy = f"<p>To fix it, add: <code>{escape(finding.to_type)}</code></p>" if finding.to_type else ""
    return f"<figure{kind}>{''.join(parts)}<p>{escape(finding.message)}</p>{remedy}{more}</figure>"


def _network(columns: Mapping[str, Sequence[np.ndarray]]) -> str:
    heads = "".join(f"<th>{escape(caption)}</th>" for caption in columns)
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{_image(picture, caption)}</td>" for caption, picture in zip(columns, row, strict=True))
        + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return (
        '<section id="network"><h2>As the network sees them</h2><p class="note">A and B as in their files; input and '
        "target as in validation, and as augmented in the first epochs of training.</p>"
        f'<div class="scroll"><table class="network"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</section>"
    )


def _overview(split: Split) -> str:
    usable = [index for index, _ in split.measured()]
    figures = []
    for place in (split.place(usable[number]) for number in evenly_spread(len(usable), _OVERVIEW)):
        images = "".join(
            _image(picture, f"{side} of {place.name}") for side, picture in pictures_of(split, place).items()
        )
        figures.append(f'<figure><div class="pair">{images}</div><figcaption>{_caption(place)}</figcaption></figure>')
    return (
        f'<section><h2>{escape(split.name)} <span class="pill">{len(figures)} of {len(split.results):,}</span></h2>'
        f'<div class="grid">{"".join(figures)}</div></section>'
    )


def _image(picture: np.ndarray, alternative: str, caption: str = "") -> str:
    """An image element with embedded data, of a fixed size: the layout does not shift while the page loads."""
    small = fitted(picture, _LONGEST)
    data = io.BytesIO()
    Image.fromarray(small).save(data, "WEBP", quality=80, method=2)
    title = f"<span>{escape(caption)}</span>" if caption else ""
    return (
        f'<div class="image"><img loading="lazy" width="{small.shape[1]}" height="{small.shape[0]}" '
        f'alt="{escape(alternative)}" src="data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}">'
        f"{title}</div>"
    )


def _caption(place: Place) -> str:
    files = escape(" + ".join(place.files))
    return f'<b title="{files}">{escape(place.name)}</b> <small>{escape(place.split)}</small>'


def _label(place: Place) -> str:
    return f"{place.split}/{place.name}"


def _anchor(check: str) -> str:
    return check.replace(" ", "-")
