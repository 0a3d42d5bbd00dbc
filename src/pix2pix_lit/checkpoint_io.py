"""How Lightning writes and reads checkpoint files in this project."""

import os
import uuid
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pix2pix_lit.checkpoint import read_checkpoint
from pix2pix_lit.errors import UserError


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint appears under its name only when it is whole and on the disk.

    Lightning's own goes through the system's temporary folder, which leaves torn files after a kill whenever that
    is another file system. Reading is as safe as in ``checkpoint.read_checkpoint``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write beside the target, flush to the disk, rename."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{path.name}.*.tmp"):  # left by a process that was killed while writing
            stale.unlink(missing_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            with open(temporary, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Tensors and plain values only, on the CPU, whatever is asked for.

        Raises:
            UserError: as ``read_checkpoint``, and if there is no training in the file to go on with.
        """
        checkpoint = read_checkpoint(path)
        missing = {"pytorch-lightning_version", "state_dict", "optimizer_states", "loops"} - checkpoint.keys()
        if missing:
            raise UserError(
                f"{path} holds no training to go on with (it lacks {', '.join(sorted(missing))}); expected a "
                f"checkpoint written by pix2pix-lit while training, such as last.ckpt"
            )
        return checkpoint
