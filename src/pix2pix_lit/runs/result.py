"""What came out of a run: its ``result.json``."""

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
    """What came out of a run, in its ``result.json``.

    ``status`` is ``finished``, ``interrupted`` or ``failed``, and ``message`` says why in the last case. ``value`` is
    the newest value of the metric ``objective``, ``best`` its best one, ``metrics`` are all newest validation metrics;
    ``steps`` batches and ``epochs`` whole epochs were trained in all, ``seconds`` passed since the last start.
    ``overrides`` is the command, and ``limits`` are ``trainer.max_epochs`` and ``trainer.max_steps``.
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
        """Write it to a run's folder, whole or not at all: a disk that is full shall not hide why the run failed."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / RESULT) as temporary:
                temporary.write_text(as_json(asdict(self)) + "\n", "utf-8")
        except OSError as error:
            log.warning("%s could not be written (%s)", folder / RESULT, error.strerror)


def read_result(folder: Path) -> Result | None:
    """What a run in this folder left behind; None if there was none, it was killed, or the file is of another kind."""
    values = known_fields(Result, read_json(folder / RESULT))
    return Result(**values) if "status" in values else None


def is_complete(result: Result, limits: dict[str, int | None]) -> bool:
    """Whether a run would find nothing left to do.

    Args:
        result: of the run that was in its folder before.
        limits: those of the run that is about to start, as in ``result.limits``.
    """
    if result.status != "finished":
        return False
    done = {"max_epochs": result.epochs, "max_steps": result.steps}
    reached = any(limit is not None and 0 <= limit <= done[name] for name, limit in limits.items())
    return reached or limits == result.limits  # or a callback ended it early


def metrics_in_words(metrics: Mapping[str, float]) -> str:
    """Metrics with four digits, such as ``val/l1 0.1234, val/psnr 20.12``."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
