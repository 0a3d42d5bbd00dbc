"""Keeping freed memory, each case in its own process since the setting lasts, and running out of memory."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.memory import explain_out_of_memory, keep_freed_memory

PAGES_OF_A_STEP = 8 * 40 * 2**20 // 4096

COUNT_FRESH_PAGES = """
import resource
import sys
import torch
from pix2pix_lit.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(40 * 2**20, dtype=torch.uint8) for _ in range(8)]
    del tensors
    fresh = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(fresh)
"""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")


@pytest.fixture
def fresh_pages_of_a_repeated_step(run_python: Callable[..., str], tmp_path: Path) -> Callable[[str], int]:
    """Pages that the system had to provide for the fifth of five equal steps, which free all their tensors."""
    return lambda setting: int(run_python(tmp_path, "-c", COUNT_FRESH_PAGES, setting))


@pytest.mark.slow
@needs_glibc
def test_a_step_gets_the_pages_that_the_one_before_freed(fresh_pages_of_a_repeated_step: Callable[[str], int]) -> None:
    assert fresh_pages_of_a_repeated_step("keep") < PAGES_OF_A_STEP / 4


@pytest.mark.slow
@needs_glibc
def test_without_it_every_step_gets_fresh_pages(fresh_pages_of_a_repeated_step: Callable[[str], int]) -> None:
    # These would be 512 times fewer where all pages are large.
    assert fresh_pages_of_a_repeated_step("return") > PAGES_OF_A_STEP / 600


@pytest.mark.parametrize("library", ["", "musl"])
def test_other_c_libraries_are_left_alone(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> None:
        raise AssertionError("no library may be opened")

    monkeypatch.setattr("pix2pix_lit.memory.platform.libc_ver", lambda: (library, ""))
    monkeypatch.setattr("pix2pix_lit.memory.ctypes.CDLL", refuse)
    assert keep_freed_memory() is False


BATCH = {"input": torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "target": torch.zeros(2, 1, 8, 8), "name": ["a", "b"]}


def test_a_tensor_that_does_not_fit_names_the_batch_its_size_and_the_keys_that_help():
    with (
        pytest.raises(UserError, match="not enough memory for the batch of a, b") as error,
        explain_out_of_memory(BATCH),
    ):
        torch.empty(2**60, dtype=torch.uint8)
    message = str(error.value)
    assert "(input (2, 3, 8, 8) on cpu, target (2, 1, 8, 8) on cpu)" in message
    assert "can't allocate memory" in message
    keys = ("data.batch_size", "data.crop_size", "model.micro_batches", "model.generator.activation_checkpointing")
    assert all(key in message for key in (*keys, "trainer.precision=bf16-mixed"))


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
