"""Several training processes under Hydra: each rank runs this job, and the next job of a sweep starts clean."""

import os
import sys

import lightning as L
import torch.distributed
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.strategies.launchers import subprocess_script

from pix2pix_lit.cli import quote

_SET_BY_LIGHTNING = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_DECIDED_HERE = (
    "hydra.mode",
    "hydra.sweep",
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.launcher",
    "hydra.run.dir",
    "hydra.output_subdir",
    "hydra.job.name",
    "hydra/job_logging",
)


def launch_ranks_as_single_jobs(module: str) -> None:
    """Make Lightning start its other ranks as plain runs of the current Hydra job.

    Lightning repeats ``sys.argv``, which within a multirun is the whole sweep: a second sweep would run in every
    child, with draws of its own (Lightning pull request 18175, Hydra issue 2070).

    Args:
        module: the module that the children run as ``python -m MODULE``.
    """

    def command_and_folder(local_rank: int) -> tuple[list[str], str]:
        config = HydraConfig.get()
        command = [sys.executable, "-m", module, "--config-name", str(config.job.config_name)]
        for source in config.runtime.config_sources:
            if source.provider == "command-line":
                command += ["--config-dir", source.path]
        command += list(config.overrides.task)
        command += [o for o in config.overrides.hydra if not o.lstrip("+~").startswith(_DECIDED_HERE)]
        command += [
            "hydra.mode=RUN",
            f"hydra.run.dir={quote(config.runtime.output_dir)}",
            "hydra.output_subdir=null",
            f"hydra.job.name={config.job.name}_rank{local_rank}",
            "hydra/job_logging=disabled",  # rank 0 tells it all
        ]
        return command, config.runtime.cwd

    subprocess_script._hydra_subprocess_cmd = command_and_folder


def end_ranks(trainer: L.Trainer, *, failed: bool) -> None:
    """Leave no process and no environment variable of this job behind.

    Args:
        trainer: the one whose run is over.
        failed: whether it ended in an exception; its other processes may hang then, and are ended.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        if not failed:
            torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    own = getattr(trainer.strategy.launcher, "procs", [])
    processes = list(own)
    own.clear()  # Lightning watches this list, and would kill us all for a process that does not end well
    for process in processes:
        if failed:
            process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess_script.subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if processes:
        for name in _SET_BY_LIGHTNING:
            os.environ.pop(name, None)
