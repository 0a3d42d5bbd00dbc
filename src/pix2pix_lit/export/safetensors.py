"""safetensors: the weights in a file that can hold nothing else, with what it takes to build their network."""

from pathlib import Path

import safetensors.torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.export.job import Job
from pix2pix_lit.inference.backends import DTYPES

SUFFIX = ".safetensors"
PRECISIONS = ("fp32", "fp16", "bf16")
IS_GRAPH = False


def write(job: Job, path: str) -> None:
    """The metadata is under ``pix2pix_lit`` in the file's metadata; integers stay as they are."""
    dtype = DTYPES[job.metadata.precision]
    weights = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous()
        for name, value in job.network.state_dict().items()
    }
    # Not by save_file, whose files none but their owner may read.
    Path(path).write_bytes(safetensors.torch.save(weights, {METADATA_KEY: job.metadata.to_json()}))
