"""Out of memory, said so that it helps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError, first_few

_SIGNS = ("out of memory", "can't allocate memory", "alloc_failed")
"""Of CUDA and MPS, of torch's allocator for the CPU, and of CUDA's libraries; all but the first are RuntimeErrors."""


_REMEDY = (
    "lower data.batch_size or data.crop_size, or keep the size and set model.micro_batches=2 or more, "
    "model.generator.recompute=true, or trainer.precision=bf16-mixed"
)


@contextmanager
def explain_out_of_memory(batch: Mapping[str, Any], remedy: str = _REMEDY) -> Iterator[None]:
    """Within: to run out of memory is a ``UserError`` that names the batch, its size, and the keys that help.

    Args:
        batch: tensors, of which shape and device are told, and their names under ``name``.
        remedy: which keys help.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_it = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_it and not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        sizes = [
            f"{key} {tuple(value.shape)} on {value.device}" for key, value in batch.items() if isinstance(value, Tensor)
        ]
        reason = str(error).strip().partition("\n")[0][:200]
        raise UserError(
            f"there is not enough memory for the batch of {first_few(list(batch['name']))} ({', '.join(sizes)}): "
            f"{reason}. Expected a batch that fits: {remedy}"
        ) from error
