"""Processes that measure different metrics."""

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.training.measured import check_same_on_all_processes


def test_processes_that_measure_different_metrics_are_refused(monkeypatch):
    check_same_on_all_processes(["l1"])
    monkeypatch.setattr("pix2pix_lit.training.measured.gathered", lambda names: [names, ["l1"]])
    check_same_on_all_processes(["l1"])
    with pytest.raises(UserError, match="lpips: measured by some processes, but not by rank 1; .*metrics.NAME=null"):
        check_same_on_all_processes(["l1", "lpips"])
