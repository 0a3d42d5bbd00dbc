"""Which of several processes this one is."""

import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs import rank as ranks

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME")
SRUN = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"}


@pytest.mark.parametrize(
    ("environment", "first", "by_first", "size"),
    [
        ({}, True, False, 1),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, True, False, 2),  # torchrun
        ({"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "4"}, False, False, 4),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "2"}, True, False, 1),  # Lightning's own
        ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, False, True, 1),
        ({"NODE_RANK": "1"}, False, False, 1),  # a node that the user started
        ({"NODE_RANK": "1", "LOCAL_RANK": "1"}, False, True, 1),
        (SRUN | {"SLURM_PROCID": "0"}, True, False, 4),
        (SRUN | {"SLURM_PROCID": "3"}, False, False, 4),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash"}, True, False, 1),  # srun --pty bash
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash", "LOCAL_RANK": "1"}, False, True, 1),
    ],
)
def test_the_environment_tells_which_process_this_is(monkeypatch, environment, first, by_first, size):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ranks.is_first_rank() is first
    assert ranks.started_by_first_rank() is by_first
    assert ranks.world_size_from_outside() == size


@pytest.mark.parametrize("processes", [99_999, 0, -1, "2", True, None])
def test_no_more_processes_than_cores(processes):
    with pytest.raises(UserError, match=rf"devices is {processes!r}; expected a whole number from 1 to \d+"):
        ranks.refuse_more_processes_than_cores("devices", processes)
    ranks.refuse_more_processes_than_cores("devices", 1)
