"""A checkpoint of this project with the generator alone: for predict.py, and for warm starts of training."""

from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.loading import checkpoint_of
from pix2pix_lit.export.job import Job

SUFFIX = ".ckpt"
PRECISIONS = ("fp32",)
IS_GRAPH = False


def write(job: Job, path: str) -> None:
    """What the moving average was, if there was one, is the generator; there is no training to go on with."""
    with open(path, "wb") as file:
        torch_file.save(checkpoint_of(job.network, job.metadata), file)
