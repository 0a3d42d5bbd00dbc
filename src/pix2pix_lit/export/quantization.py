"""What int8 formats share: the images that ranges are measured on."""

from collections.abc import Iterator

import numpy as np
import torch

from pix2pix_lit.export.job import Job
from pix2pix_lit.inference.translator import padded_floats


def calibration_inputs(job: Job) -> Iterator[np.ndarray]:
    """Each calibration image as the graph of a job takes it, in a batch of one."""
    metadata = job.metadata
    for image in job.calibration:
        pixels = torch.from_numpy(image)[None]
        if metadata.takes_images:
            yield pixels.numpy()
        else:
            floats = padded_floats(
                pixels.permute(0, 3, 1, 2), metadata.input, metadata.size_multiple, metadata.smallest_side
            )
            yield floats.contiguous().numpy()
