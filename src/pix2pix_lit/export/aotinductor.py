"""AOTInductor: compiled for one kind of CPU or GPU, to be called from C++ or Python without tracing anything."""

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.export.graph import program_of, quiet
from pix2pix_lit.export.job import Job
from pix2pix_lit.internals.torch import compile_ahead_of_time

SUFFIX = ".aoti.pt2"
PRECISIONS = ("fp32", "fp16", "bf16")
IS_GRAPH = True


def write(job: Job, path: str) -> None:
    """The metadata is in the package's metadata.

    Needs a C++ compiler, whose command line with the paths of this machine stays in the package.
    """
    with quiet(), torch.no_grad():
        compile_ahead_of_time(program_of(job), path, {METADATA_KEY: job.metadata.to_json()})
