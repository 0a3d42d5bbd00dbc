"""What can be wrong with a data set, how bad it is, and where it was found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Check:
    """One thing that the audit looks for.

    Args:
        name: as in the table and in ``audit.json``.
        severity: an error means that training should not start, a warning that somebody should look.
        meaning: what it does to training, and what to do.
    """

    name: str
    severity: Severity
    meaning: str


CHECKS = (
    Check("no pairs", "error", "A split cannot be read at all: correct data.root, data.train_split or data.val_split."),
    Check("settings", "error", "Pairs cannot be resized or augmented as the settings of data say: correct these."),
    Check("unusable", "error", "Training stops at these pairs: replace, convert or remove their files."),
    Check("size mismatch", "error", "A and B differ in size, so no pixel has a partner: resize one or remove both."),
    Check("single photos", "error", "Photos where A|B pairs should be: training would pair the halves of each photo."),
    Check("swapped sides", "error", "The images declared as labels look like photos, and the others like labels."),
    Check("leak", "error", "Validation pairs that are trained on: every score is too good. Remove them from a split."),
    Check("shared image", "warning", "One of the images is in both splits, with another partner: scores are too good."),
    Check("missing partner", "warning", "Files without a partner are left out: add what is missing, or remove them."),
    Check("left out", "warning", "Images that are not read: convert or replace them, or put them elsewhere."),
    Check("duplicate", "warning", "The same pair more than once counts more than once: remove the copies."),
    Check("repeated image", "warning", "An image with several partners: fine if meant, else one of them is wrong."),
    Check("constant", "warning", "An image of a single colour teaches nothing: remove the pair, unless it is meant."),
    Check("value range", "warning", "What differs is hardly there for the network: set the range of these images."),
    Check("off the palette", "warning", "Label colours that are no class's: correct the labels or their palette."),
    Check("strange halves", "warning", "Halves of files have nothing in common: there may be nothing to learn."),
    Check("turned pair", "warning", "A and B are the other way round than in the other pairs: exchange them."),
    Check("misregistered", "warning", "What is in A is elsewhere in B, or not at all: the network learns to blur."),
)
"""Everything that is looked for, in the order of the table."""

SEVERITIES: dict[str, Severity] = {check.name: check.severity for check in CHECKS}


@dataclass(frozen=True)
class Place:
    """A pair, or a file without one, to be looked at.

    Args:
        split: of the data set.
        index: of the pair in its split; None for what is no pair.
        name: of the pair.
        files: that it is read from; none if it is made.
    """

    split: str
    index: int | None
    name: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        check: name of the check.
        message: what was found, for people.
        places: where; none if it is about the whole set.
        figures: the numbers that it was judged by.
        to_type: settings that mend it, as they are typed after a command.
    """

    check: str
    message: str
    places: tuple[Place, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    to_type: str = ""

    @property
    def severity(self) -> Severity:
        """That of the check."""
        return SEVERITIES[self.check]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``audit.json``."""
        values = asdict(self)
        values["places"] = [{**place, "files": list(place["files"])} for place in values["places"]]
        return {"check": self.check, "severity": self.severity, **values}


@dataclass(frozen=True)
class Summary:
    """What a split is made of.

    Args:
        pairs: how many there are.
        missing: files without a partner.
        left_out: files that look like images but cannot be taken, and folders that cannot be looked into.
        sizes: "WIDTHxHEIGHT" of an image -> pairs, the most frequent first.
        suffixes: endings of the files -> pairs, the most frequent first.
        a: what the A images are.
        b: what the B images are.
        off_palette: of label colours: "a" or "b" -> RGB units -> share of pixels farther than that from the palette.
        seen: of all but class numbers: "a" or "b" -> what the network sees, see ``values.Seen``.
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
    """All that an audit has to say.

    Args:
        title: what data this is.
        splits: name -> summary.
        findings: in the order of ``CHECKS``.
        skipped: check -> why it could not be made.
        seconds: how long it took.
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
        """One sentence."""
        errors, warnings = self.count("error"), self.count("warning")
        found = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
        return f"{found}: " + ("training should not start" if errors else "training may start")

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the content of ``audit.json``."""
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
