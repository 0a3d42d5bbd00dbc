"""The table of a sweep: pix2pix-lit sweep-results folder=FOLDER."""

import atexit
import csv
import io
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.checks import FilePath, fits
from pix2pix_lit.errors import UserError, printable, shown
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.files.json import known_fields, read_json
from pix2pix_lit.metrics import OBJECTIVES
from pix2pix_lit.runs.command import command
from pix2pix_lit.runs.overrides import differences, split_overrides
from pix2pix_lit.runs.rank import is_first_rank
from pix2pix_lit.runs.result import RESULT, Result

log = logging.getLogger(__name__)

_FRACTION = re.compile(r"-?\d*\.\d+(e[-+]?\d+)?|-?\d+(\.\d+)?e[-+]?\d+", re.IGNORECASE)


@dataclass
class Run:
    """The outcome of one run; None for values that it did not reach.

    ``status`` is ``finished``, ``interrupted``, ``failed``, or ``unfinished`` for a run that is in progress or was
    killed.
    """

    name: str
    status: str = "unfinished"
    message: str | None = None
    objective: str | None = None
    value: float | None = None
    best: float | None = None
    steps: int | None = None
    seconds: float | None = None
    overrides: dict[str, str] = field(default_factory=dict)


class SweepResults(Callback):
    """Hydra callback: writes the table of a multirun after every job, and logs the best run at the end.

    A multirun in the folder of an earlier one skips its finished jobs, and must be started by the same command.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        _refuse_another_grid(folder / "multirun.yaml", config)
        atexit.register(_report, folder.absolute())  # also after Ctrl-C

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if config.hydra.mode == RunMode.MULTIRUN and is_first_rank():
            _write_if_any(Path(config.hydra.sweep.dir))


def _refuse_another_grid(former: Path, config: DictConfig) -> None:
    if not former.exists():
        return
    before, now = (
        split_overrides(sweep.hydra.overrides.task) | {**(OmegaConf.select(sweep, "hydra.sweeper.params") or {})}
        for sweep in (OmegaConf.load(former), config)
    )
    if found := differences(before, now):
        raise SystemExit(  # Hydra turns other exceptions of callbacks into warnings
            f"error: the sweep in {former.parent} was started by a command that differs in {found}; "
            f"expected the same command: repeat it, or choose a folder other than hydra.sweep.dir={former.parent}"
        )


def _write_if_any(folder: Path) -> None:
    if runs := read_runs(folder):
        write_table(folder, runs)


def _report(folder: Path) -> None:
    """Write the table, and log its path and the best run."""
    runs = read_runs(folder)
    if not runs:
        return
    _, markdown = write_table(folder, runs)
    if (best := runs[0]).value is not None:
        varied = [f"{key}={_short(best.overrides[key])}" for key in varied_keys(runs) if key in best.overrides]
        summary = ", ".join([f"{best.objective} {best.value:.4g}", *varied])
        log.info("Best run: %s of %d, %s", shown(best.name), len(runs), summary)
    log.info("The table of all runs is in %s", shown(markdown))


def read_runs(folder: Path) -> list[Run]:
    """All runs at any depth below a folder, best first; runs without a value come last, sorted by name.

    Raises:
        UserError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected a folder that contains the folders of runs")
    places = {path.parent for path in folder.rglob(RESULT)}
    places |= {path.parents[1] for path in folder.rglob("config/overrides.yaml")}
    found = [_read_run(place, str(place.relative_to(folder))) for place in places]
    runs = [run for run in found if run is not None]
    direction = next((better(run.objective) for run in runs if run.objective), "min")

    def order(run: Run) -> tuple[Any, ...]:
        number = int(run.name) if run.name.isdecimal() else -1
        if run.value is None:
            return 1, 0.0, number, run.name
        return 0, run.value if direction == "min" else -run.value, number, run.name

    return sorted(runs, key=order)


def _read_run(place: Path, name: str) -> Run | None:
    """The run in a folder; None if the files there are not those of a run."""
    result = known_fields(Run, read_json(place / RESULT))
    overrides = known_fields(Result, read_json(place / RESULT)).get("overrides")
    if overrides is None or "status" not in result:
        result, overrides = {}, _read_overrides(place / "config" / "overrides.yaml")
    if overrides is None:
        return None
    return Run(**result | {"name": name, "overrides": split_overrides(overrides)})


def _read_overrides(path: Path) -> list[str] | None:
    try:
        overrides = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return overrides if fits(overrides, list[str]) else None


def better(objective: str) -> str:
    """``min`` or ``max``: in which direction an objective such as ``val/l1`` is better."""
    return OBJECTIVES.get(objective, "min")


def write_table(folder: Path, runs: list[Run]) -> list[Path]:
    """Write ``results.csv`` and ``results.md``, with a row per run and a column per override that differs between runs.

    Args:
        folder: where to write them.
        runs: in the order of the rows.

    Returns:
        The paths of the two files.
    """
    swept = varied_keys(runs)
    objective = next((run.objective for run in runs if run.objective), "value")
    header = ["run", "status", objective, "best", "steps", "seconds", *swept]
    rows = [
        [run.name, run.status, _number(run.value), _number(run.best), _whole(run.steps), _whole(run.seconds)]
        + [run.overrides.get(key, "") for key in swept]
        for run in runs
    ]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*header, "message"])
    writer.writerows([*row, run.message or ""] for row, run in zip(rows, runs, strict=True))
    lines = [_markdown(header), _markdown(["---"] * len(header)), *(_markdown(map(_short, row)) for row in rows)]
    lines += ["", *(f"- {run.name}: {run.message}" for run in runs if run.message)]
    written = []
    for name, text in (("results.csv", table.getvalue()), ("results.md", "\n".join(lines).strip() + "\n")):
        with atomic_write(folder / name) as temporary:  # several processes may write the table of one study
            temporary.write_text(printable(text), "utf-8")
        written.append(folder / name)
    return written


def varied_keys(runs: list[Run]) -> list[str]:
    """The keys of overrides that differ between runs, except the number of the trial."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides if key != "trial")
    return [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _short(cell: str) -> str:
    """A fraction rounded to four digits; anything else as it is."""
    return f"{float(cell):.4g}" if _FRACTION.fullmatch(cell) else shown(cell)


def _markdown(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


class Keys:
    """The types of the keys of ``configs/sweep_results.yaml``."""

    folder: FilePath | None


def show(config: DictConfig) -> None:
    """Write and print the table that ``configs/sweep_results.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if there are no runs.
    """
    if not config.folder:
        raise UserError("folder is not set; expected a folder that contains the folders of runs: pass folder=FOLDER")
    folder = Path(config.folder)
    runs = read_runs(folder)
    if not runs:
        raise UserError(f"{folder} contains no runs; expected folders with result.json or config/overrides.yaml")
    _, markdown = write_table(folder, runs)
    log.info("%s", markdown.read_text("utf-8"))


main = command("sweep_results", Keys, required=["folder"])(show)

if __name__ == "__main__":
    main()
