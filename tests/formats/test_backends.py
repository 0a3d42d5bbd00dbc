"""Exported files whose runtimes fail."""

from pathlib import Path

import pytest
import torch

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.images.image_type import RGB, ImageType

DEEP = ImageType(channels=1, dtype="uint16")
FLOATS, PIXELS = torch.zeros(2, 3, 8, 16), torch.zeros(2, 8, 16, 3, dtype=torch.uint8)


class ForeignError(Exception):
    """Of a runtime, derived from no other."""


def runtime(run, takes_images=False) -> ExportedBackend:
    metadata = GeneratorMetadata({}, RGB, DEEP, 8, 8, takes_images=takes_images)
    return ExportedBackend(Path("x.onnx"), metadata, run, torch.device("cpu"))


def raising(error: Exception):
    def run(x):
        raise error

    return run


@pytest.mark.parametrize("error", [ForeignError("Add node.\nmore"), RuntimeError("Add node."), KeyError("Add node.")])
def test_any_failure_of_a_runtime_names_the_file(error):
    with pytest.raises(UserError, match=rf"x\.onnx cannot be run \({type(error).__name__}: .*Add node.*it again"):
        runtime(raising(error))(FLOATS)


@pytest.mark.parametrize("message", ["Failed to allocate memory for requested buffer", "CUDA out of memory"])
def test_too_little_memory_is_not_blamed_on_the_file(message):
    with pytest.raises(MemoryError, match=message):
        runtime(raising(ForeignError(message)))(FLOATS)


@pytest.mark.parametrize("result", [FLOATS, FLOATS[:1, :1], FLOATS[:, :1, :4], FLOATS[:, :1].double(), FLOATS[0], []])
def test_a_result_of_another_shape_or_dtype_is_refused(result):
    with pytest.raises(UserError, match=r"x\.onnx cannot be run \(it returns "):
        runtime(lambda x: result)(FLOATS)


def test_results_that_fit_the_metadata_are_returned():
    assert runtime(lambda x: x[:, :1])(FLOATS).shape == (2, 1, 8, 16)
    generated = runtime(lambda x: x[..., :1].to(torch.uint16), takes_images=True)(PIXELS)
    assert (generated.shape, generated.dtype) == ((2, 8, 16, 1), torch.uint16)
