"""Keeps freed memory in the process for reuse, and explains out-of-memory errors."""

import ctypes
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError, first_few

# malloc.h of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Make this process keep the memory that it frees, for its own next requests.

    By default the GNU C library returns every large block to the system as soon as it is freed, and a training step
    frees all of its activations and gradients: the next step is given new pages, each of which the system must first
    fill with zeros. The peak of the memory in use stays as it is, but memory that was used once is not available to
    other processes before this one ends.

    Call it before large tensors are created: blocks that were allocated before are still returned.

    Returns:
        Whether it took effect; False without the GNU C library (macOS, Windows, musl).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) == 1 for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1)))


_SIGNS = ("out of memory", "can't allocate memory", "alloc_failed", "failed to allocate memory")
"""Parts of the messages of CUDA and MPS, torch's CPU allocator, CUDA's libraries, and ONNX Runtime."""


_REMEDY = (
    "lower data.batch_size or data.crop_size, or keep the size and set model.micro_batches=2 or more, "
    "model.generator.activation_checkpointing=true, or trainer.precision=bf16-mixed"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or another runtime says that there is not enough memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


@contextmanager
def explain_out_of_memory(batch: Mapping[str, Any], remedy: str = _REMEDY) -> Iterator[None]:
    """A context that turns out-of-memory errors into a ``UserError`` with the batch, its size, and the keys that help.

    Args:
        batch: tensors, whose shapes and devices are reported, and the names of the images under ``name``.
        remedy: the keys that help.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        sizes = [
            f"{key} {tuple(value.shape)} on {value.device}" for key, value in batch.items() if isinstance(value, Tensor)
        ]
        reason = str(error).strip().partition("\n")[0][:200]
        raise UserError(
            f"there is not enough memory for the batch of {first_few(list(batch['name']))} ({', '.join(sizes)}): "
            f"{reason}. Expected a batch that fits: {remedy}"
        ) from error
