"""Metrics of images that are shared unequally between processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pix2pix_lit.metrics import METRICS

SCRIPT = Path(__file__).with_name("metric_processes_run.py")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, run_python):
    """What each of two processes measured, in every case."""
    folder = tmp_path_factory.mktemp("processes")
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(run_python, folder, str(SCRIPT), str(folder), str(rank)) for rank in range(2)]
        for process in started:
            process.result()
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("split", [(2, 0), (0, 2), (3, 1)])
def test_two_processes_with_unequal_counts_equal_one(ranks, name, split):
    for rank in ranks:
        assert rank["shared", name, split] == pytest.approx(rank["alone", name, sum(split)], rel=1e-6, abs=1e-9)
