"""TorchScript: for C++ and mobile programs with a libtorch that is older than torch.export."""

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.export.graph import example_of, graph_of, quiet
from pix2pix_lit.export.job import Job

SUFFIX = ".torchscript.pt"
PRECISIONS = ("fp32", "fp16", "bf16")
IS_GRAPH = True


def write(job: Job, path: str) -> None:
    """The metadata is the extra file ``pix2pix_lit.json``."""
    with quiet(), torch.no_grad():  # of deprecation, and of checks of sizes that a trace does not have
        traced = torch.jit.freeze(torch.jit.trace(graph_of(job), example_of(job), check_trace=False))
        torch.jit.save(traced, path, _extra_files={f"{METADATA_KEY}.json": job.metadata.to_json()})
