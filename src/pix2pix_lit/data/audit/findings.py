"""The checks of the audit, their severity, and the report of what they found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Check:
    """One check of the audit.

    Args:
        name: as in the table and in ``audit.json``.
        severity: an error means that training should not start, a warning that the finding should be reviewed.
        meaning: its effect on training, and what to do.
    """

    name: str
    severity: Severity
    meaning: str


SIDES = ("A", "B")

CHECKS = (
    Check("no pairs", "error", "A split cannot be read at all: correct data.root, data.train_split or data.val_split."),
    Check("settings", "error", "Pairs cannot be resized or augmented as configured: correct the settings of data."),
    Check("unusable", "error", "Training stops at these pairs: replace, convert or remove their files."),
    Check("size mismatch", "error", "A and B differ in size, so no pixel has a partner: resize one or remove both."),
    Check("single photos", "error", "Photos where A|B pairs should be: training would pair the halves of each photo."),
    Check("swapped sides", "error", "The images declared as labels look like photos, and the others like labels."),
    Check("leak", "error", "Validation pairs are also trained on: all scores are too good. Remove them from a split."),
    Check("shared image", "warning", "One of the images is in both splits, with another partner: scores are too good."),
    Check("missing partner", "warning", "Files without a partner are skipped: add the partners, or remove the files."),
    Check("left out", "warning", "Images that cannot be read: convert or replace them, or move them elsewhere."),
    Check("duplicate", "warning", "A pair that occurs several times also counts several times: remove the copies."),
    Check("repeated image", "warning", "An image with several partners: one is wrong, unless this is intended."),
    Check("constant", "warning", "An image of a single colour: nothing to learn. Remove the pair if not intended."),
    Check("value range", "warning", "The network sees hardly any contrast: set the range of these images."),
    Check("off the palette", "warning", "Label colours that belong to no class: correct the labels or their palette."),
    Check("strange halves", "warning", "Halves of files have nothing in common: there may be nothing to learn."),
    Check("turned pair", "warning", "A and B are exchanged, compared with the other pairs: exchange them back."),
    Check("misregistered", "warning", "Objects of A are elsewhere in B, or missing: the network learns to blur."),
)
"""All checks, in the order of the table."""

SEVERITIES: dict[str, Severity] = {check.name: check.severity for check in CHECKS}


@dataclass(frozen=True)
class Place:
    """A pair, or a file without a partner, that a finding refers to.

    Args:
        split: of the data set.
        index: of the pair in its split; None for a single file.
        name: of the pair.
        files: of the pair; empty if it is generated.
    """

    split: str
    index: int | None
    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One finding of a check.

    Args:
        check: name of the check.
        message: description of the problem.
        places: the pairs or files; empty if it concerns the data set as a whole.
        figures: the measured values.
        to_type: overrides that fix the problem.
    """

    check: str
    message: str
    places: tuple[Place, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    to_type: str = ""

    @property
    def severity(self) -> Severity:
        """Severity of the check."""
        return SEVERITIES[self.check]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``audit.json``."""
        values = asdict(self)
        values["places"] = [{**place, "files": list(place["files"])} for place in values["places"]]
        return {"check": self.check, "severity": self.severity, **values}


@dataclass(frozen=True)
class Summary:
    """Summary of a split.

    Args:
        pairs: number of pairs.
        missing: number of files without a partner.
        left_out: number of skipped files and folders.
        sizes: "WIDTHxHEIGHT" of an image -> number of pairs, the most frequent first.
        suffixes: of the files -> number of pairs, the most frequent first.
        a: description of the A images.
        b: description of the B images.
        off_palette: for label colours: "a" or "b" -> RGB units -> share of pixels farther than that from the palette.
        seen: except for class numbers: "a" or "b" -> range seen by the network, see ``values.Seen``.
    """

    pairs: int
    missing: int
    left_out: int
    sizes: dict[str, int]
    suffixes: dict[str, int]
    a: str
    b: str
    off_palette: dict[str, dict[str, float]]
    seen: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Report:
    """The result of an audit.

    Args:
        title: name of the data set.
        splits: name -> summary.
        findings: in the order of ``CHECKS``.
        skipped: check -> why it was skipped.
        seconds: duration of the audit.
    """

    title: str
    splits: dict[str, Summary]
    findings: Sequence[Finding]
    skipped: dict[str, str]
    seconds: float

    def of(self, check: str) -> list[Finding]:
        """The findings of one check."""
        return [finding for finding in self.findings if finding.check == check]

    def count(self, severity: Severity) -> int:
        """Number of findings of this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        errors, warnings = self.count("error"), self.count("warning")
        found = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
        return f"{found}: " + ("training should not start" if errors else "training may start")

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the contents of ``audit.json``."""
        return {
            "data": self.title,
            "training_may_start": self.count("error") == 0,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "seconds": round(self.seconds, 1),
            "splits": {name: asdict(summary) for name, summary in self.splits.items()},
            "checks": [
                {**asdict(check), "findings": len(self.of(check.name)), "skipped": self.skipped.get(check.name)}
                for check in CHECKS
            ],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
