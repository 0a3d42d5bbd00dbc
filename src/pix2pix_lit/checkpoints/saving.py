"""The plugin with which Lightning writes and reads checkpoint files."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.resume import StoredTraining, read_training
from pix2pix_lit.errors import UserError, shown
from pix2pix_lit.files.atomic_write import atomic_write, is_disk_full, temporary_folder

log = logging.getLogger(__name__)

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
"""The file that a run resumes from, and the one before it."""

_MIB = 2**20


class AtomicCheckpointIO(TorchCheckpointIO):
    """Atomic checkpoints: written to a temporary file, flushed to the disk, then renamed.

    Lightning's own plugin writes through the system's temporary folder; if that is on another file system, a killed
    process leaves torn files. Reading is as in ``resume.read_training``. The earlier ``last.ckpt`` is kept as
    ``previous.ckpt``, in case the disk damages one of them. Only files that this run wrote are ever removed, whatever
    the state of a callback, which may come from an untrusted checkpoint, asks for.

    Args:
        folder: the run's own folder of checkpoints.
        stored: the checkpoint that ``load_checkpoint`` will be asked for, if it has already been read.
    """

    def __init__(self, folder: Path | None = None, stored: StoredTraining | None = None) -> None:
        self._folder = None if folder is None else folder.absolute()
        self._stored = stored
        self._intact: dict[Path, int] = {}  # files that this process wrote or read -> their steps

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write beside the target, flush to the disk, rename.

        Raises:
            UserError: if the disk is full, or the user's quota is used up.
        """
        path = Path(path).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path) as temporary:
                with open(temporary, "wb") as file:
                    torch_file.save(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                if path.name == LAST and path in self._intact:
                    _keep(path, path.with_name(PREVIOUS))
        except BaseException as error:
            if is_disk_full(error):
                raise self._no_room(path, sum(tensor.nbytes for tensor in _tensors(checkpoint))) from error
            raise
        self._intact[path] = checkpoint.get("global_step", 0)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read only tensors and plain values, to the CPU, regardless of the arguments.

        Raises:
            UserError: as ``resume.read_training``.
        """
        path = Path(path)
        stored, self._stored = self._stored, None
        if stored is None or stored.path.absolute() != path.absolute():
            stored = read_training(path)
        self._intact[path.absolute()] = stored.checkpoint.get("global_step", 0)
        return stored.checkpoint

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a file that this process wrote, or a checkpoint in the run's folder except those to resume from."""
        path = Path(path).absolute()
        is_own = path in self._intact or (
            self._folder is not None
            and path.parent.resolve() == self._folder.resolve()
            and path.suffix == ".ckpt"
            and path.name not in (LAST, PREVIOUS)
        )
        if is_own and path.is_file() and not path.is_symlink():
            path.unlink()
        elif os.path.lexists(path):
            log.warning("%s is not removed, since this run did not write it", shown(path))

    def _no_room(self, path: Path, size: int) -> UserError:
        last = path.with_name(LAST)
        kept = f"{last} from step {self._intact[last]} is intact" if last in self._intact else "nothing was saved yet"
        return UserError(
            f"{path} could not be written: the disk is full, or the limit for this user or process is reached "
            f"({shutil.disk_usage(path.parent).free / _MIB:.0f} MiB are free); expected space for "
            f"{size / _MIB:.0f} MiB. {kept[0].upper()}{kept[1:]}: free some space, and repeat the command with "
            f"ckpt_path=last or hydra.run.dir={path.parent.parent}"
        )


def check_room(folder: Path, model: nn.Module) -> None:
    """Check before training that there is enough disk space for its checkpoints.

    Args:
        folder: the folder of the checkpoints; created if missing.
        model: the model to train; a checkpoint holds its tensors, and Adam's two averages of each trained one.

    Raises:
        UserError: if the folder is not writable, or the disk lacks the space for last.ckpt, previous.ckpt, best.ckpt
            and one that is being written, beyond those that exist.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}); expected a folder for checkpoints: choose another with "
            f"hydra.run.dir=FOLDER"
        ) from error
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    size += 2 * sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    needed = (4 - sum(1 for _ in folder.glob("*.ckpt"))) * size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / _MIB:.0f} MiB of free space; expected {needed / _MIB:.0f} MiB for checkpoints of "
            f"{size / _MIB:.0f} MiB each: free some space, or choose another disk with hydra.run.dir=FOLDER"
        )


def _keep(path: Path, kept: Path) -> None:
    """Link or copy the file at ``path`` to ``kept``."""
    try:
        with atomic_write(kept) as link:
            os.link(path, link)
    except OSError:  # a file system without hard links
        os.replace(path, kept)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
