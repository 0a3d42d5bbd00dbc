"""A run's folder: which one it is, the checkpoint in it, and only one run at a time."""

import atexit
import functools
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.files.atomic_write import temporary_folder
from pix2pix_lit.runs.rank import is_first_rank, started_by_srun
from pix2pix_lit.runs.result import RESULT

log = logging.getLogger(__name__)

OUTPUTS = Path("outputs")

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
        UserError: if there is nothing to resume, or the folder cannot be made.
    """
    runs = OUTPUTS / str(name)  # which may look like a number
    if ckpt_path == "last":
        started = [path.parents[1] for path in runs.glob("*/checkpoints/last.ckpt")]
        if not started:
            raise UserError(
                f"ckpt_path=last, but no run in {runs} has a checkpoints/last.ckpt to resume from; expected one: start "
                f"without ckpt_path, or say which with name=NAME or hydra.run.dir=FOLDER"
            )
        return str(max(started, key=lambda run: (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns))
    if started_by_srun():
        job, step = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_STEP_ID", "0")
        return str(runs / f"job_{job}_{step}")
    if not is_first_rank():
        temporary = ExitStack()  # the first rank's name holds the time; nothing is written to this one
        atexit.register(temporary.close)
        return str(temporary.enter_context(temporary_folder(Path(tempfile.gettempdir()))))
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
        except OSError:  # the run cannot write there either, and reports it
            pass
    try:
        yield
    finally:
        lock.release()


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
