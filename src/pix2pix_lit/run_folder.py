"""A run's folder: which one it is, what the run goes on from in there, and what came out of it."""

import atexit
import functools
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.json_text import as_json, known_fields, read_json
from pix2pix_lit.ranks import is_first_rank, started_by_srun
from pix2pix_lit.replacement import replacement_of, temporary_folder_in

if TYPE_CHECKING:
    from pix2pix_lit.resume import StoredTraining

log = logging.getLogger(__name__)

OUTPUTS = Path("outputs")
RESULT = "result.json"

LOCK_SECONDS = 15
"""How long to wait for a folder: data workers of a run that was killed hold its lock until they notice, after 5 s."""


@functools.cache  # one folder for a process, however often the config asks
def run_folder(name: str, ckpt_path: str | None) -> str:
    """The folder of a run that was given none: a new one, or with ``ckpt_path=last`` that of the newest run.

    The value of ``hydra.run.dir`` in ``configs/train.yaml``. Processes that SLURM starts for one training have the
    job's number as a folder, which they all know, and find again when the job was put into the queue again.

    Args:
        name: of the folder below ``outputs/`` that holds the runs' folders.
        ckpt_path: the config's key.

    Raises:
        UserError: if there is nothing to go on from, or the folder cannot be made.
    """
    runs = OUTPUTS / str(name)  # which may look like a number
    if ckpt_path == "last":
        started = [path.parents[1] for path in runs.glob("*/checkpoints/last.ckpt")]
        if not started:
            raise UserError(
                f"ckpt_path=last, but no run in {runs} has a checkpoints/last.ckpt to go on from; expected one: start "
                f"without ckpt_path, or say which with name=NAME or hydra.run.dir=FOLDER"
            )
        return str(max(started, key=lambda run: (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns))
    if started_by_srun():
        job, step = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_STEP_ID", "0")
        return str(runs / f"job_{job}_{step}")
    if not is_first_rank():
        temporary = ExitStack()  # the first rank's name holds the time; nothing is written to this one
        atexit.register(temporary.close)
        return str(temporary.enter_context(temporary_folder_in(Path(tempfile.gettempdir()))))
    try:
        return str(_new_folder(runs, time.strftime("%Y-%m-%d_%H-%M-%S")))
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be made ({error.strerror}); expected a folder for the run: choose another with "
            f"hydra.run.dir=FOLDER"
        ) from error


def _new_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        with suppress(FileExistsError):  # another run made it in the same second
            folder.mkdir()
            return folder
    raise AssertionError


def checkpoint_in(path: str | os.PathLike[str]) -> Path:
    """The checkpoint that is meant: a file itself, or the last one of a run's folder or of its ``checkpoints`` folder.

    Raises:
        UserError: for a folder that has none, naming what it has instead.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    for checkpoints in (path / "checkpoints", path):
        last = checkpoints / "last.ckpt"
        if last.is_file():
            return last
    others = sorted([*path.glob("*.ckpt"), *path.glob("checkpoints/*.ckpt")])
    runs = sorted(path.glob("*/checkpoints/last.ckpt"), key=lambda run: run.stat().st_mtime_ns)
    if others:
        found = f"which has {first_few(others)}: name the file"
    elif runs:
        found = f"which has {len(runs)} runs, of which {runs[-1].parents[1]} is the newest: name one"
    else:
        found = "which has none: check the path"
    raise UserError(
        f"{path} is a folder; expected a checkpoint, or a run's folder with a checkpoints/last.ckpt, {found}"
    )


def checkpoint_to_go_on_from(folder: Path, ckpt_path: str | None) -> "StoredTraining | None":
    """The training that a run in ``folder`` resumes, read and verified; None for a run from the start.

    A run that was under way in the folder goes on, whatever other run ``ckpt_path`` has it start from at first. All
    processes find the same, since none writes a checkpoint before all have started.

    Args:
        folder: of the run.
        ckpt_path: the config's key: null, ``last``, or a file.

    Raises:
        UserError: if there is no intact checkpoint where one is expected.
    """
    from pix2pix_lit.checkpoint_io import LAST, PREVIOUS
    from pix2pix_lit.resume import read_training

    checkpoints = folder / "checkpoints"
    found = [checkpoints / name for name in (LAST, PREVIOUS) if (checkpoints / name).exists()]
    if ckpt_path is not None and ckpt_path != "last":
        asked = checkpoint_in(ckpt_path)
        if not found or asked.absolute().parent == checkpoints.absolute():
            found = [asked]
    if ckpt_path == "last" and not found:
        raise UserError(f"ckpt_path=last, but {folder} has no checkpoints/last.ckpt; expected one to go on from")
    for path in found:
        try:
            stored = read_training(path)
        except UserError as error:
            if path == found[-1]:
                raise
            log.warning("%s. Going on from the checkpoint before it", error)
            continue
        epoch, step = (stored.checkpoint.get(key, "?") for key in ("epoch", "global_step"))
        log.info("Going on from %s: epoch %s, step %s", path, epoch, step)
        return stored
    return None


@contextmanager
def sole_run_in(folder: Path) -> Iterator[None]:
    """Within: no other run is in this folder, on this machine or another one that sees its lock.

    Two of them would take each other's checkpoints for their own. Only the first of several processes asks.

    Raises:
        UserError: if there is another one.
    """
    lock = FileLock(folder / ".lock")
    if is_first_rank():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise UserError(
                f"another process is training in {folder}; expected a run that has ended: wait for it, end it, or give "
                f"this one a folder of its own with hydra.run.dir=FOLDER"
            ) from None
        except OSError:  # no place for a run either, as it will soon be told
            pass
    try:
        yield
    finally:
        lock.release()


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
            with replacement_of(folder / RESULT) as temporary:
                temporary.write_text(as_json(asdict(self)) + "\n", "utf-8")
        except OSError as error:
            log.warning("%s could not be written (%s)", folder / RESULT, error.strerror)


def read_result(folder: Path) -> Result | None:
    """What a run in this folder left behind; None if there was none, it was killed, or the file is of another kind."""
    values = known_fields(Result, read_json(folder / RESULT))
    return Result(**values) if "status" in values else None


_OF_A_START = (
    "*.log", "events.out.tfevents.*", "hparams.yaml", "metrics.csv", ".rank_*_error", "checkpoints", "samples",
)  # fmt: skip
"""What a start makes in a folder before the first batch; ``config/`` and ``result.json`` are its row in a table."""


def discard_start(folder: Path, keep_row: bool) -> bool:
    """Remove what a start that failed before its first batch has made in a folder, and the folder if that is all.

    Args:
        folder: of the run; one that holds a checkpoint stays as it is.
        keep_row: whether the folder stays with what a table of results shows, as that of a job of a sweep does.

    Returns:
        Whether the folder is gone.
    """
    if any(folder.glob("checkpoints/*.ckpt")):
        return False
    made = [path for pattern in _OF_A_START for path in folder.glob(pattern)]
    if not keep_row:
        made += [folder / "config" / f"{name}.yaml" for name in ("config", "hydra", "overrides")]
        made += [folder / "config", folder / RESULT, folder / ".lock", folder]
        if folder.absolute().parent.parent == OUTPUTS.absolute():
            made.append(folder.parent)  # which was made for it, if it is empty
    for path in made:
        with suppress(OSError):  # not there, not empty, or in use
            path.rmdir() if path.is_dir() else path.unlink()
    return not folder.exists()


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
