"""Out of memory, said so that it helps."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.out_of_memory import explain_out_of_memory

BATCH = {"input": torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "target": torch.zeros(2, 1, 8, 8), "name": ["a", "b"]}


def test_a_tensor_that_does_not_fit_names_the_batch_its_size_and_the_keys_that_help():
    with (
        pytest.raises(UserError, match="not enough memory for the batch of a, b") as error,
        explain_out_of_memory(BATCH),
    ):
        torch.empty(2**60, dtype=torch.uint8)
    said = str(error.value)
    assert "(input (2, 3, 8, 8) on cpu, target (2, 1, 8, 8) on cpu)" in said
    assert "can't allocate memory" in said
    keys = ("data.batch_size", "data.crop_size", "model.micro_batches", "model.generator.recompute")
    assert all(key in said for key in (*keys, "trainer.precision=bf16-mixed"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError("Unable to allocate 8 GiB for an array"),
    ],
)
def test_every_kind_of_device_is_understood(error):
    with pytest.raises(UserError, match="not enough memory") as explained, explain_out_of_memory(BATCH):
        raise error
    assert str(error).partition("\n")[0] in str(explained.value)
    assert explained.value.__cause__ is error


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="^shapes do not match$"), explain_out_of_memory(BATCH):
        raise RuntimeError("shapes do not match")
