"""Keeping freed memory; each case in a process of its own, which the setting cannot leave."""

import platform
import subprocess
import sys

import pytest

from pix2pix_lit.host_memory import keep_freed_memory

PAGES_OF_A_STEP = 8 * 40 * 2**20 // 4096

COUNT_FRESH_PAGES = """
import resource
import sys
import torch
from pix2pix_lit.host_memory import keep_freed_memory

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


def fresh_pages_of_a_repeated_step(setting: str) -> int:
    """Pages that the system had to provide for the fifth of five equal steps, which free all their tensors."""
    command = [sys.executable, "-c", COUNT_FRESH_PAGES, setting]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@needs_glibc
def test_a_step_gets_the_pages_that_the_one_before_freed() -> None:
    assert fresh_pages_of_a_repeated_step("keep") < PAGES_OF_A_STEP / 4


@needs_glibc
def test_without_it_every_step_gets_fresh_pages() -> None:
    # These would be 512 times fewer where all pages are large.
    assert fresh_pages_of_a_repeated_step("return") > PAGES_OF_A_STEP / 600


@pytest.mark.parametrize("library", ["", "musl"])
def test_other_c_libraries_are_left_alone(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> None:
        raise AssertionError("no library may be opened")

    monkeypatch.setattr("pix2pix_lit.host_memory.platform.libc_ver", lambda: (library, ""))
    monkeypatch.setattr("pix2pix_lit.host_memory.ctypes.CDLL", refuse)
    assert keep_freed_memory() is False
