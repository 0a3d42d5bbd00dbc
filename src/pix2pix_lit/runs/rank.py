"""The rank of this process, read from its environment without importing torch."""

import os

from pix2pix_lit.errors import UserError


def is_first_rank() -> bool:
    """Whether this process is the only one or the first of several: the one that writes files and log lines."""
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    if started_by_srun():
        return os.environ["SLURM_PROCID"] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))


def world_size_from_outside() -> int:
    """How many processes torchrun or srun started for one training; 1 if neither did."""
    if "RANK" in os.environ:
        return int(os.environ.get("WORLD_SIZE", 1))
    return int(os.environ["SLURM_NTASKS"]) if started_by_srun() else 1


def started_by_srun() -> bool:
    """Whether SLURM starts the ranks, by Lightning's rule: not in an interactive shell that srun opened."""
    inside = "SLURM_NTASKS" in os.environ and "SLURM_PROCID" in os.environ
    return inside and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")


def started_by_first_rank() -> bool:
    """Whether the first rank on this machine started this process and waits for its result."""
    outside = "RANK" in os.environ or started_by_srun()
    return not outside and os.environ.get("LOCAL_RANK", "0") != "0"


def refuse_more_processes_than_cores(key: str, processes: object) -> None:
    """Check a number of processes: more than one per core is slower, and many more can bring a machine down.

    Args:
        key: the name of the setting, for the message.
        processes: how many to start on this machine.

    Raises:
        UserError: if it is not a whole number from 1 to the number of cores.
    """
    most = os.cpu_count() or 1
    if type(processes) is not int or not 1 <= processes <= most:
        raise UserError(
            f"{key} is {processes!r}; expected a whole number from 1 to {most}, at most one process per core"
        )
