"""The outcome of a run: its ``result.json``."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.files.json import as_json, known_fields, read_json

log = logging.getLogger(__name__)

RESULT = "result.json"


@dataclass
class Result:
    """The outcome of a run, as stored in its ``result.json``.

    ``status`` is ``finished``, ``interrupted`` or ``failed``; ``message`` says why a run failed. ``value`` is the
    latest value of the metric ``objective`` and ``best`` its best one; ``metrics`` are the latest validation metrics.
    ``steps`` and ``epochs`` count all batches and complete epochs, including those before a resume; ``seconds`` counts
    from the last start. ``overrides`` are those of the command, and ``limits`` are ``trainer.max_epochs`` and
    ``trainer.max_steps``.
    """

    status: str
    message: str | None = None
    objective: str | None = None
    value: float | None = None
    best: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    epochs: int = 0
    seconds: float = 0.0
    overrides: list[str] = field(default_factory=list)
    limits: dict[str, int | None] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it atomically to a run's folder. A full disk is only logged, since the run may have failed for it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / RESULT) as temporary:
                temporary.write_text(as_json(asdict(self)) + "\n", "utf-8")
        except OSError as error:
            log.warning("%s could not be written (%s)", folder / RESULT, error.strerror)


def read_result(folder: Path) -> Result | None:
    """The result stored in a folder; None if no run ended there or the file is of another kind."""
    values = known_fields(Result, read_json(folder / RESULT))
    return Result(**values) if "status" in values else None


def is_complete(result: Result, limits: dict[str, int | None]) -> bool:
    """Whether a run has nothing left to do.

    Args:
        result: of the previous run in its folder.
        limits: of the run that is about to start, as in ``result.limits``.
    """
    if result.status != "finished":
        return False
    done = {"max_epochs": result.epochs, "max_steps": result.steps}
    reached = any(limit is not None and 0 <= limit <= done[name] for name, limit in limits.items())
    return reached or limits == result.limits  # or a callback ended it early


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics with four digits, such as ``val/l1 0.1234, val/psnr 20.12``."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
