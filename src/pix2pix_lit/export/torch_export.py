"""torch.export: PyTorch's own graphs, for programs that have PyTorch but not this package, and for its compilers."""

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.export.graph import program_of
from pix2pix_lit.export.job import Job

SUFFIX = ".pt2"
PRECISIONS = ("fp32", "fp16", "bf16")
IS_GRAPH = True


def write(job: Job, path: str) -> None:
    """The metadata is the extra file ``pix2pix_lit.json``."""
    program = program_of(job)
    program.example_inputs = None  # would be stored, and be larger than the weights of a small network
    torch.export.save(program, path, extra_files={f"{METADATA_KEY}.json": job.metadata.to_json()})
