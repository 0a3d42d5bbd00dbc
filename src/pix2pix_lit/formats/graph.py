"""The graph in an exported file, from its input to its output, traced once for all image and batch sizes."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pix2pix_lit.formats.backends import DTYPES
from pix2pix_lit.formats.format import Job
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.padding import padded_floats
from pix2pix_lit.internals.torch import with_free_size_one

if TYPE_CHECKING:
    from torch.export import ExportedProgram

INPUT, OUTPUT = "images", "generated"
"""Names of a graph's input and output."""

_MOST_IMAGES = 1024
_LONGEST_SIDE = 2**15


class FloatsToFloats(nn.Module):
    """(N, C, H, W) float32 in [-1, 1] -> (N, C', H, W) float32 in [-1, 1], computed in another precision.

    Args:
        network: the generator.
        dtype: of its arithmetic; the network is moved to it.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.to(self.dtype)).float()


class ImagesToImages(nn.Module):
    """(N, H, W, planes) pixels -> (N, H, W, channels) pixels, each of its type's dtype, for any H and W.

    The same steps as in ``inference.Translator``: scaling to [-1, 1], padding by reflection, the network, cropping,
    rounding.

    Args:
        network: from floats to floats, as ``FloatsToFloats``.
        multiple: of the sides of the network's input.
        smallest: least side of the network's input; ``multiple`` or twice that.
        input_type: of the input's pixels.
        target_type: of the output's pixels.
    """

    def __init__(
        self, network: nn.Module, multiple: int, smallest: int, input_type: ImageType, target_type: ImageType
    ) -> None:
        super().__init__()
        if smallest not in (multiple, 2 * multiple):
            raise ValueError(f"smallest side {smallest} of a network that takes multiples of {multiple}")
        self.network = network
        self.multiple = multiple
        self.least_units = smallest // multiple
        self.input_type = input_type
        self.target_type = target_type

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[1], images.shape[2]
        padded = self._reflected(self._reflected(images, 1), 2)
        # Channels last, as from to_network, would restrict the graph to batches of more than one image.
        floats = self.input_type.to_network(padded.permute(0, 3, 1, 2)).contiguous()
        generated = self.network(floats)[..., :height, :width]
        return self.target_type.from_network(generated).permute(0, 2, 3, 1)

    def _reflected(self, images: Tensor, dim: int) -> Tensor:
        """Padded by reflection to a multiple of ``multiple``, by operations that every runtime has."""
        length = images.shape[dim]
        before_last = (length - 1) // self.multiple
        units = before_last + 1
        if self.least_units == 2:
            units = 2 + before_last * before_last // (before_last + 1)  # max(before_last, 1) + 1, without a max
        index = torch.arange(units * self.multiple, device=images.device)
        last = torch.full((1,), length - 1, device=images.device)
        period = (2 * last).clamp(min=1)
        index = index - torch.div(index, period, rounding_mode="floor") * period
        return images.index_select(dim, last - (last - index).abs())


def graph_of(job: Job) -> nn.Module:
    """The module to trace for a job, in eval mode; int8 files are made from the float32 graph."""
    dtype = DTYPES.get(job.metadata.precision, torch.float32)
    graph: nn.Module = FloatsToFloats(copy.deepcopy(job.network), dtype)
    if job.metadata.takes_images:
        graph = ImagesToImages(
            graph,
            job.metadata.size_multiple,
            job.metadata.smallest_side,
            job.metadata.input,
            job.metadata.target,
        )
    return graph.eval().requires_grad_(False)


def example_of(job: Job) -> Tensor:
    """An input of the graph of a job."""
    side = max(job.metadata.size_multiple, job.metadata.smallest_side)
    if job.metadata.takes_images:
        dtype = getattr(torch, job.metadata.input.dtype)
        return torch.zeros(2, side + 1, 2 * side + 1, job.metadata.input.planes, dtype=dtype)
    return torch.zeros(2, job.metadata.input.network_channels, 2 * side, 3 * side)


def program_of(job: Job) -> "ExportedProgram":
    """The graph of a job traced by torch.export, with free batch, height and width, and without paths of sources."""
    from torch.export import Dim, export

    metadata = job.metadata
    batch = Dim("batch", min=1, max=_MOST_IMAGES)
    shapes: dict[int, Any]
    if metadata.takes_images:
        shapes = {0: batch, 1: Dim("height", min=1, max=_LONGEST_SIDE), 2: Dim("width", min=1, max=_LONGEST_SIDE)}
    else:
        multiple = metadata.size_multiple
        fewest = -(-metadata.smallest_side // multiple)
        units = [Dim(f"{side}_units", min=fewest, max=_LONGEST_SIDE // multiple) for side in ("height", "width")]
        shapes = {0: batch, 2: multiple * units[0], 3: multiple * units[1]}
    graph, example = graph_of(job).to(job.device), example_of(job).to(job.device)
    with torch.no_grad(), with_free_size_one():
        program = export(graph, (example,), dynamic_shapes={INPUT: shapes})
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # contains paths of this machine
    return program


def calibration_inputs(job: Job) -> Iterator[np.ndarray]:
    """Each calibration image as the input of a job's graph, in a batch of one."""
    metadata = job.metadata
    for image in job.calibration:
        pixels = torch.from_numpy(image)[None]
        if not metadata.takes_images:
            images = pixels.permute(0, 3, 1, 2)
            pixels = padded_floats(images, metadata.input, metadata.size_multiple, metadata.smallest_side).contiguous()
        yield pixels.numpy()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A context in which exporters print, log and warn nothing, and which restores the logging configuration.

    OpenVINO's converter sets the root logger's level to ERROR, adds a filter and replaces the list of handlers, and
    undoes this only if the conversion succeeds. NNCF, when it is imported, makes its own class that of all new loggers
    and adds a handler for the current ``sys.stdout``. If that is a file of pytest's, every later message fails with
    "I/O operation on closed file", also in the workers of pytest-xdist. Import NNCF only in this context.
    """
    root = logging.getLogger()
    handlers, filters, level = root.handlers[:], root.filters[:], root.level
    disabled, logger_class = root.manager.disable, logging.getLoggerClass()
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        logging.setLoggerClass(logger_class)
        root.handlers[:], root.filters[:] = handlers, filters
        root.setLevel(level)
