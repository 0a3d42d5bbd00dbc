"""The folder of a run: choosing it, finding its checkpoint, and allowing one run at a time in it."""

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
"""How long to wait for a folder: data workers of a killed run keep its lock until they notice, after about 5 s."""


@functools.cache  # one folder per process, however often the config asks for it
def run_folder(name: str, ckpt_path: str | None) -> str:
    """The default folder of a run: a new one, or with ``ckpt_path=last`` that of the newest run.

    It is the default of ``hydra.run.dir`` in ``configs/train.yaml``. For processes that SLURM starts for one training
    it is named after the job's number, which all of them know and which stays the same when the job is requeued.

    Args:
        name: the folder below ``outputs/`` that holds the folders of the runs.
        ckpt_path: the value of the config's key of that name.

    Raises:
        UserError: if there is nothing to resume, or the folder cannot be created.
    """
    runs = OUTPUTS / str(name)  # name=1 is parsed as a number
    if ckpt_path == "last":
        started = [path.parents[1] for path in runs.glob("*/checkpoints/last.ckpt")]
        if not started:
            raise UserError(
                f"ckpt_path=last, but no run in {runs} has a checkpoints/last.ckpt to resume from; expected one: start "
                f"without ckpt_path, or choose the run with name=NAME or hydra.run.dir=FOLDER"
            )
        return str(max(started, key=lambda run: (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns))
    if started_by_srun():
        job, step = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_STEP_ID", "0")
        return str(runs / f"job_{job}_{step}")
    if not is_first_rank():
        temporary = ExitStack()  # only the first rank knows the folder's name; nothing is written to this one
        atexit.register(temporary.close)
        return str(temporary.enter_context(temporary_folder(Path(tempfile.gettempdir()))))
    try:
        return str(_new_folder(runs, time.strftime("%Y-%m-%d_%H-%M-%S")))
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be created ({error.strerror}); expected a folder for the run: choose another "
            f"with hydra.run.dir=FOLDER"
        ) from error


def _new_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        with suppress(FileExistsError):  # another run created it in the same second
            folder.mkdir()
            return folder
    raise AssertionError


def checkpoint_in(path: str | os.PathLike[str]) -> Path:
    """The checkpoint that a path refers to: the file, or the last one in a run's folder or its ``checkpoints`` folder.

    Raises:
        UserError: for a folder without one, listing what it contains instead.
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
def exclusive_run(folder: Path) -> Iterator[None]:
    """A context in which no other run can use this folder, on this machine or any other that sees the lock file.

    Two runs in one folder would overwrite each other's checkpoints. Only the first rank of a run takes the lock.

    Raises:
        UserError: if another run is using the folder.
    """
    lock = FileLock(folder / ".lock")
    if is_first_rank():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise UserError(
                f"another process is training in {folder}; expected a run that has ended: wait for it, stop it, or "
                f"choose another folder for this run with hydra.run.dir=FOLDER"
            ) from None
        except OSError:  # the run cannot write there either, and will report it
            pass
    try:
        yield
    finally:
        lock.release()


_STARTUP_FILES = (
    "*.log", "events.out.tfevents.*", "hparams.yaml", "metrics.csv", ".rank_*_error", "checkpoints", "samples",
)  # fmt: skip
"""What a run writes before its first batch, except ``config/`` and ``result.json``, which a table of results reads."""


def discard_failed_start(folder: Path, keep_row: bool) -> bool:
    """Remove the files of a run that failed before its first batch, and its folder if nothing else is in it.

    Args:
        folder: of the run; a folder with a checkpoint is left unchanged.
        keep_row: whether to keep the folder and what a table of results shows of it, as for jobs of a sweep.

    Returns:
        Whether the folder was removed.
    """
    if any(folder.glob("checkpoints/*.ckpt")):
        return False
    made = [path for pattern in _STARTUP_FILES for path in folder.glob(pattern)]
    if not keep_row:
        made += [folder / "config" / f"{name}.yaml" for name in ("config", "hydra", "overrides")]
        made += [folder / "config", folder / RESULT, folder / ".lock", folder]
        if folder.absolute().parent.parent == OUTPUTS.absolute():
            made.append(folder.parent)  # removed only if it is empty
    for path in made:
        with suppress(OSError):  # missing, not empty, or in use
            path.rmdir() if path.is_dir() else path.unlink()
    return not folder.exists()
