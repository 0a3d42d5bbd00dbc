"""A checkpoint with only the generator: for the predict command, and for warm starts of training."""

from pathlib import Path

from torch import Tensor

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.loading import checkpoint_of, read_generator
from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.formats.format import Job, WeightsFormat


class Checkpoint(WeightsFormat):
    """Reads the checkpoints of training and the generator files of the reference implementation as well."""

    name = "checkpoint"
    suffix = ".ckpt"
    precisions = ("fp32",)

    def write(self, job: Job, path: str) -> None:
        """Write the generator; without optimizer states, training cannot be resumed from the file."""
        with open(path, "wb") as file:
            torch_file.save(checkpoint_of(job.network, job.metadata), file)

    def read(self, path: Path) -> tuple[GeneratorMetadata, dict[str, Tensor]]:
        """See ``WeightsFormat.read``."""
        return read_generator(path)
