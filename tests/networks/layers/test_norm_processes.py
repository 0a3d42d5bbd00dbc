"""Synchronised statistics: two processes against one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("norm_processes_run.py")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, run_python):
    """What each of two processes ended with, in every case."""
    folder = tmp_path_factory.mktemp("processes")
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(run_python, folder, str(SCRIPT), str(folder), str(rank), "2") for rank in range(2)]
        for process in started:
            process.result()
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", ["plain", "parts", "checkpointed parts"])
def test_two_processes_equal_one_with_the_combined_batch(ranks, case):
    alone, shared = ranks[0]["alone", case], [rank["shared", case] for rank in ranks]
    for key in ("logits", "image gradient"):
        torch.testing.assert_close(torch.cat([rank[key] for rank in shared], dim=1), alone[key], atol=1e-5, rtol=1e-4)
    for rank in shared:
        torch.testing.assert_close(rank["gradients"], alone["gradients"], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(rank["statistics"], alone["statistics"], atol=1e-6, rtol=1e-5)
    for name, value in shared[0]["statistics"].items():
        assert torch.equal(shared[1]["statistics"][name], value), name
    assert alone["statistics"]["blocks.1.1.num_batches_tracked"] == (1 if case == "plain" else 2)
