"""A generator file of the reference implementation, junyanz/pytorch-CycleGAN-and-pix2pix (``latest_net_G.pth``)."""

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.reference_weights import to_reference
from pix2pix_lit.formats.checkpoint import Checkpoint
from pix2pix_lit.formats.format import Job


class Reference(Checkpoint):
    """Weights under the reference's names; read like checkpoints, and recognised by those names."""

    name = "reference"
    suffix = ".pth"

    def write(self, job: Job, path: str) -> None:
        """Write the weights alone: the reference's files have no place for metadata."""
        with open(path, "wb") as file:
            torch_file.save(to_reference(job.metadata.generator, job.network.state_dict()), file)
