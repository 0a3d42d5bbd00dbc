"""Distributed training under Hydra: every rank runs the current job only, and ends with it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import lightning as L
import torch.distributed
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.strategies import DDPStrategy, ParallelStrategy

from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.lightning import SubprocessScriptLauncher, replace_launcher, set_num_threads
from pix2pix_lit.internals.torch import abort_process_group
from pix2pix_lit.runs.quoting import quote
from pix2pix_lit.runs.rank import started_by_first_rank
from pix2pix_lit.runs.rank_process import RankFailure, RankProcess, is_consequence
from pix2pix_lit.runs.stopping import raise_if_signalled

Result = TypeVar("Result")

_SET_FOR_RANKS = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_DECIDED_HERE = (
    "hydra.mode",
    "hydra.sweep",
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.launcher",
    "hydra.run.dir",
)


def start_ranks_as_single_jobs(trainer: L.Trainer, module: str) -> None:
    """Make a trainer start its other ranks as single runs of the current Hydra job, and handle their failures.

    Lightning repeats ``sys.argv``, which in a multirun is the full sweep: every child would run a second sweep with
    random values of its own (Lightning pull request 18175, Hydra issue 2070). When a child fails, Lightning kills this
    process and with it all later jobs. While the processes wait for each other to start, it notices neither a failed
    process nor a signal.

    Args:
        trainer: that is about to run. If torchrun or SLURM start its ranks, only the handling of signals changes.
        module: the module that the children run as ``python -m MODULE``.
    """
    strategy = trainer.strategy
    if isinstance(strategy, ParallelStrategy) and isinstance(strategy.launcher, SubprocessScriptLauncher):
        replace_launcher(strategy, _Launcher(strategy.launcher, module))


class _Launcher(SubprocessScriptLauncher):
    procs: list[RankProcess]  # type: ignore[assignment]

    def __init__(self, former: SubprocessScriptLauncher, module: str) -> None:
        super().__init__(former.cluster_environment, former.num_processes, former.num_nodes)
        self._module = module
        self.has_set_environment = False

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._start_ranks()
            threading.Thread(target=_end_if_blocked, args=(self.procs,), daemon=True).start()
        set_num_threads(num_processes=self.num_processes)
        if isinstance(trainer.strategy, DDPStrategy):
            # Lightning would do this next; a second call does nothing.
            run_watching_ranks(trainer, trainer.strategy.setup_distributed)
        return function(*args, **kwargs)

    def _start_ranks(self) -> None:
        environment = self.cluster_environment
        self.has_set_environment = True
        os.environ["MASTER_ADDR"] = environment.main_address
        os.environ["MASTER_PORT"] = str(environment.main_port)
        os.environ["NODE_RANK"] = str(environment.node_rank())
        os.environ["LOCAL_RANK"] = str(environment.local_rank())
        os.environ["WORLD_SIZE"] = str(self.num_processes * self.num_nodes)
        command, folder = _command_of_job(self._module)
        for local_rank in range(1, self.num_processes):
            try:
                self.procs.append(RankProcess(local_rank, command, folder))
            except OSError as error:
                raise UserError(
                    f"the process for device {local_rank} cannot be started ({error.strerror}); expected resources for "
                    f"{self.num_processes} processes: use fewer devices"
                ) from error


def _command_of_job(module: str) -> tuple[list[str], str]:
    """The command that runs the current Hydra job, and the folder to run it in."""
    config = HydraConfig.get()
    command = [sys.executable, "-m", module, "--config-name", str(config.job.config_name)]
    for source in config.runtime.config_sources:
        if source.provider == "command-line":
            command += ["--config-dir", source.path]
    command += list(config.overrides.task)
    command += [o for o in config.overrides.hydra if not o.lstrip("+~").startswith(_DECIDED_HERE)]
    command += ["hydra.mode=RUN", f"hydra.run.dir={quote(config.runtime.output_dir)}"]
    return command, config.runtime.cwd


def run_watching_ranks(trainer: L.Trainer, work: Callable[[], Result]) -> Result:
    """Call a function that blocks until other ranks answer, and react to signals and failed ranks in the meantime.

    Args:
        trainer: that started the other ranks, if any.
        work: the function. It runs in another thread, which is abandoned if an exception is raised here.

    Raises:
        RunStopped: for a signal.
        UserError: if a rank that this process started has failed, with the message of that rank.
    """
    ended: Future[Result] = Future()

    def attempt() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=attempt, daemon=True).start()
    while not ended.done():
        time.sleep(0.05)
        raise_if_signalled()
        raise_if_rank_failed(trainer)
    return ended.result()


def _child_ranks(trainer: L.Trainer) -> list[RankProcess]:
    return getattr(trainer.strategy.launcher, "procs", [])


def raise_if_rank_failed(trainer: L.Trainer) -> None:
    """Check whether a rank that this process started has failed.

    Raises:
        UserError: if one has, with its message.
    """
    failure = _first_failure(_child_ranks(trainer), within_seconds=0)
    if failure is not None:
        raise _as_user_error(failure)


def end_ranks(trainer: L.Trainer, *, failed: bool) -> None:
    """End all processes that this job started and remove the environment variables that it set.

    Args:
        trainer: whose run is over.
        failed: whether the run ended in an exception; the other ranks may hang then, and are terminated.

    Raises:
        UserError: if the run failed because another rank had failed, with the message of that rank.
    """
    own = _child_ranks(trainer)
    processes = list(own)
    own.clear()  # tells the watching thread that the run is over
    error = sys.exception()
    failure: RankFailure | None = None
    if failed and isinstance(error, Exception) and not isinstance(error, UserError):
        # The connection breaks here some seconds before the failed rank exits.
        failure = _first_failure(processes, within_seconds=5 if is_consequence(error) else 0)
    has_met = torch.distributed.is_available() and torch.distributed.is_initialized()
    if has_met:
        if not failed:
            torch.distributed.barrier()
        if not (failed and started_by_first_rank()):  # the first rank notices the broken connection after the message
            torch.distributed.destroy_process_group()
    for process in processes if failed else ():
        process.terminate() if has_met else process.kill()  # before they met, nothing needs cleaning up
    for process in processes:
        # It may be blocked in a collective operation with this rank, where it does not handle signals.
        process.end(seconds=5 if failed else 60)
    if getattr(trainer.strategy.launcher, "has_set_environment", False):
        for name in _SET_FOR_RANKS:
            os.environ.pop(name, None)
    if failure is not None:
        raise _as_user_error(failure) from None


def _as_user_error(failure: RankFailure) -> UserError:
    if failure.trace:
        sys.stderr.write(failure.trace)
    return UserError(failure.message)


def _first_failure(processes: Sequence[RankProcess], within_seconds: float) -> RankFailure | None:
    """The failure that came first; None if no process fails within that time."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = {process.local_rank: failure for process in processes if (failure := process.failure()) is not None}
        # A process that only lost its connection is the consequence of another failure, which may be reported soon.
        causes = [rank for rank, failure in found.items() if not failure.is_consequence]
        is_over = time.monotonic() >= deadline or not processes
        if causes or (found and is_over):
            rank = (causes or [*found])[0]
            message = f"the process for device {rank} failed: {found[rank].message}"
            return RankFailure(message, found[rank].trace, found[rank].is_consequence)
        if is_over:
            return None
        time.sleep(0.1)


def _end_if_blocked(processes: list[RankProcess]) -> None:
    while processes and not any(process.poll() for process in processes):
        time.sleep(1)
    # Gloo fails by itself at the next collective operation with an ended process; NCCL would wait for it.
    if _run_ends(processes, within_seconds=10):
        return
    if torch.distributed.is_initialized():
        abort_process_group()
    if _run_ends(processes, within_seconds=600):
        return
    sys.stderr.write("error: another process of this run has ended, and this one would wait for it forever\n")
    for process in processes:
        process.kill()
    os.kill(os.getpid(), signal.SIGKILL)  # nothing else ends a blocked collective operation


def _run_ends(processes: list[RankProcess], within_seconds: float) -> bool:
    """Wait for ``end_ranks``, which empties the list."""
    deadline = time.monotonic() + within_seconds
    while processes and time.monotonic() < deadline:
        time.sleep(1)
    return not processes
