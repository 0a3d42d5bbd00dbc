"""A generator file of the reference implementation, junyanz/pytorch-CycleGAN-and-pix2pix (``latest_net_G.pth``)."""

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.reference_weights import to_reference
from pix2pix_lit.export.job import Job

SUFFIX = ".pth"
PRECISIONS = ("fp32",)
IS_GRAPH = False


def write(job: Job, path: str) -> None:
    """The weights under the reference's names; its format has no place for the metadata."""
    with open(path, "wb") as file:
        torch_file.save(to_reference(job.metadata.generator, job.network.state_dict()), file)
