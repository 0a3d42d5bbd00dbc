"""Several training processes under Hydra: each rank runs this job, and the next job of a sweep starts clean."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import lightning as L
import torch.distributed
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.strategies.launchers import subprocess_script

from pix2pix_lit.cli import message_file, quote
from pix2pix_lit.errors import UserError
from pix2pix_lit.ranks import started_by_first_rank

_SET_BY_LIGHTNING = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_DECIDED_HERE = (
    "hydra.mode",
    "hydra.sweep",
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.launcher",
    "hydra.run.dir",
)


def launch_ranks_as_single_jobs(module: str) -> None:
    """Make Lightning start its other ranks as plain runs of the current Hydra job, and bear with their end.

    Lightning repeats ``sys.argv``, which within a multirun is the whole sweep: a second sweep would run in every
    child, with draws of its own (Lightning pull request 18175, Hydra issue 2070). And it kills this process, with
    all jobs to come, when a child fails.

    Args:
        module: the module that the children run as ``python -m MODULE``.
    """

    def command_and_folder(local_rank: int) -> tuple[list[str], str]:
        config = HydraConfig.get()
        message_file(config.runtime.output_dir, local_rank).unlink(missing_ok=True)
        command = [sys.executable, "-m", module, "--config-name", str(config.job.config_name)]
        for source in config.runtime.config_sources:
            if source.provider == "command-line":
                command += ["--config-dir", source.path]
        command += list(config.overrides.task)
        command += [o for o in config.overrides.hydra if not o.lstrip("+~").startswith(_DECIDED_HERE)]
        command += ["hydra.mode=RUN", f"hydra.run.dir={quote(config.runtime.output_dir)}"]
        return command, config.runtime.cwd

    subprocess_script._hydra_subprocess_cmd = command_and_folder
    subprocess_script._launch_process_observer = _watch


def end_ranks(trainer: L.Trainer, *, failed: bool) -> None:
    """Leave no process and no environment variable of this job behind.

    Args:
        trainer: the one whose run is over.
        failed: whether it ended in an exception; its other processes may hang then, and are ended.

    Raises:
        UserError: if it failed because another process had failed, whose message this is.
    """
    own: list[subprocess.Popen] = getattr(trainer.strategy.launcher, "procs", [])
    processes = list(own)
    own.clear()  # the run is over for _watch, whatever becomes of them
    message = _message_of_failed_rank(processes) if failed and not isinstance(sys.exception(), UserError) else None
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        if not failed:
            torch.distributed.barrier()
        if not (failed and started_by_first_rank()):  # which hears of it by the connection, when the message is there
            torch.distributed.destroy_process_group()
    for process in processes:
        if failed:
            process.terminate()
        try:
            # It may be in the middle of an exchange with this one, where it hears of no signal.
            process.wait(timeout=5 if failed else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if processes:
        for name in _SET_BY_LIGHTNING:
            os.environ.pop(name, None)
        for local_rank in range(1, len(processes) + 1):
            message_file(HydraConfig.get().runtime.output_dir, local_rank).unlink(missing_ok=True)
    if message:
        raise UserError(message) from None


def _message_of_failed_rank(processes: Sequence[subprocess.Popen]) -> str | None:
    """Why the first process to fail did so; None if all are still running, waiting for this one."""
    deadline = time.monotonic() + 2  # seconds from a broken connection here to the end of the process that broke it
    while processes and time.monotonic() < deadline:
        for local_rank, process in enumerate(processes, start=1):
            path = message_file(HydraConfig.get().runtime.output_dir, local_rank)
            if process.poll() or path.exists():
                said = path.read_text("utf-8") if path.exists() else f"it ended with exit status {process.returncode}"
                return f"the process of device {local_rank} failed: {said}"
        time.sleep(0.1)
    return None


def _watch(child_processes: list[subprocess.Popen]) -> None:
    """Stand in for Lightning's observer of child processes."""
    threading.Thread(target=_end_waiting_for_the_dead, args=(child_processes,), daemon=True).start()


def _end_waiting_for_the_dead(processes: list[subprocess.Popen]) -> None:
    while processes and not any(process.poll() for process in processes):
        time.sleep(1)
    # Gloo fails by itself at the next exchange with a process that has ended; NCCL would wait for it.
    if _run_ends(processes, within_seconds=30):
        return
    if torch.distributed.is_initialized():
        torch.distributed.distributed_c10d._abort_process_group()
    if _run_ends(processes, within_seconds=600):
        return
    sys.stderr.write("error: a process of this run ended, and this one waits for it without an end\n")
    for process in processes:
        process.kill()
    os.kill(os.getpid(), signal.SIGKILL)  # nothing else ends a blocked exchange


def _run_ends(processes: list[subprocess.Popen], within_seconds: float) -> bool:
    """Wait for ``end_ranks``, which empties the list."""
    deadline = time.monotonic() + within_seconds
    while processes and time.monotonic() < deadline:
        time.sleep(1)
    return not processes
