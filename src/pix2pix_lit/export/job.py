"""What is to be exported."""

from dataclasses import dataclass, field

import numpy as np
from torch import nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata


@dataclass(frozen=True)
class Job:
    """A generator to be written to a file.

    Args:
        network: in eval mode, float32, on the CPU.
        metadata: of the file that is to be: its precision and whether it takes images, too.
        calibration: (H, W, planes) images of the network's input type that the ranges of int8 are measured on.
        device: what the file is compiled for, where that matters.
    """

    network: nn.Module
    metadata: GeneratorMetadata
    calibration: list[np.ndarray] = field(default_factory=list)
    device: str = "cpu"
