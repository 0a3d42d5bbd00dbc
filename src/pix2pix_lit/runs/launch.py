"""Several training processes under Hydra: each rank runs this job, and the next job of a sweep starts clean."""

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
from pix2pix_lit.runs.rank_process import LastWords, RankProcess, is_consequence
from pix2pix_lit.runs.stopping import raise_if_asked

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
    """Make a trainer start its other ranks as plain runs of the current Hydra job, and bear with their end.

    Lightning repeats ``sys.argv``, which within a multirun is the whole sweep: a second sweep would run in every
    child, with draws of its own (Lightning pull request 18175, Hydra issue 2070). It kills this process, with all
    jobs to come, when a child fails. And while processes wait for each other to start, it hears neither of the end of
    one nor of signals.

    Args:
        trainer: that is about to run. One whose ranks torchrun or SLURM start is only made to hear signals.
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
            threading.Thread(target=_end_waiting_for_the_dead, args=(self.procs,), daemon=True).start()
        set_num_threads(num_processes=self.num_processes)
        if isinstance(trainer.strategy, DDPStrategy):
            # Lightning would come to this next; it does not meet twice.
            hearing_others(trainer, trainer.strategy.setup_distributed)
        return function(*args, **kwargs)

    def _start_ranks(self) -> None:
        environment = self.cluster_environment
        self.has_set_environment = True
        os.environ["MASTER_ADDR"] = environment.main_address
        os.environ["MASTER_PORT"] = str(environment.main_port)
        os.environ["NODE_RANK"] = str(environment.node_rank())
        os.environ["LOCAL_RANK"] = str(environment.local_rank())
        os.environ["WORLD_SIZE"] = str(self.num_processes * self.num_nodes)
        command, folder = _this_job_alone(self._module)
        for local_rank in range(1, self.num_processes):
            try:
                self.procs.append(RankProcess(local_rank, command, folder))
            except OSError as error:
                raise UserError(
                    f"the process of device {local_rank} cannot be started ({error.strerror}); expected room for "
                    f"{self.num_processes} processes: use fewer devices"
                ) from error


def _this_job_alone(module: str) -> tuple[list[str], str]:
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


def hearing_others(trainer: L.Trainer, work: Callable[[], Result]) -> Result:
    """Do what waits for other processes, where neither signals nor the end of one are heard, and hear them meanwhile.

    Args:
        trainer: that started the others, if any.
        work: what waits; called in another thread, in which it stays if it is given up.

    Raises:
        RunStopped: for a signal.
        UserError: if a process that this one started has failed, with that one's message.
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
        raise_if_asked()
        refuse_dead_ranks(trainer)
    return ended.result()


def _started_by(trainer: L.Trainer) -> list[RankProcess]:
    return getattr(trainer.strategy.launcher, "procs", [])


def refuse_dead_ranks(trainer: L.Trainer) -> None:
    """Raise if a process that this one started has failed, for times in which it would not notice.

    Raises:
        UserError: with that one's message.
    """
    words = _why_one_failed(_started_by(trainer), within_seconds=0)
    if words is not None:
        raise _failure(words)


def end_ranks(trainer: L.Trainer, *, failed: bool) -> None:
    """Leave no process and no environment variable of this job behind.

    Args:
        trainer: the one whose run is over.
        failed: whether it ended in an exception; its other processes may hang then, and are ended.

    Raises:
        UserError: if it failed because another process had failed, whose message this is.
    """
    own = _started_by(trainer)
    processes = list(own)
    own.clear()  # the run is over for the thread that watches them, whatever becomes of them
    error = sys.exception()
    words: LastWords | None = None
    if failed and isinstance(error, Exception) and not isinstance(error, UserError):
        # A connection breaks here seconds before the process that broke it has ended.
        words = _why_one_failed(processes, within_seconds=5 if is_consequence(error) else 0)
    has_met = torch.distributed.is_available() and torch.distributed.is_initialized()
    if has_met:
        if not failed:
            torch.distributed.barrier()
        if not (failed and started_by_first_rank()):  # which hears of it by the connection, when the message is there
            torch.distributed.destroy_process_group()
    for process in processes if failed else ():
        process.terminate() if has_met else process.kill()  # which has begun nothing, and may be deaf
    for process in processes:
        # It may be in the middle of an exchange with this one, where it hears of no signal.
        process.end(seconds=5 if failed else 60)
    if getattr(trainer.strategy.launcher, "has_set_environment", False):
        for name in _SET_FOR_RANKS:
            os.environ.pop(name, None)
    if words is not None:
        raise _failure(words) from None


def _failure(words: LastWords) -> UserError:
    if words.trace:
        sys.stderr.write(words.trace)
    return UserError(words.message)


def _why_one_failed(processes: Sequence[RankProcess], within_seconds: float) -> LastWords | None:
    """What the first process to fail says; None if none does within that time."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = {process.local_rank: words for process in processes if (words := process.last_words()) is not None}
        # One that only lost its connection follows another one, which may be about to say why.
        causes = [rank for rank, words in found.items() if not words.is_consequence]
        is_over = time.monotonic() >= deadline or not processes
        if causes or (found and is_over):
            rank = (causes or [*found])[0]
            message = f"the process of device {rank} failed: {found[rank].message}"
            return LastWords(message, found[rank].trace, found[rank].is_consequence)
        if is_over:
            return None
        time.sleep(0.1)


def _end_waiting_for_the_dead(processes: list[RankProcess]) -> None:
    while processes and not any(process.poll() for process in processes):
        time.sleep(1)
    # Gloo fails by itself at the next exchange with a process that has ended; NCCL would wait for it.
    if _run_ends(processes, within_seconds=10):
        return
    if torch.distributed.is_initialized():
        abort_process_group()
    if _run_ends(processes, within_seconds=600):
        return
    sys.stderr.write("error: a process of this run ended, and this one waits for it without an end\n")
    for process in processes:
        process.kill()
    os.kill(os.getpid(), signal.SIGKILL)  # nothing else ends a blocked exchange


def _run_ends(processes: list[RankProcess], within_seconds: float) -> bool:
    """Wait for ``end_ranks``, which empties the list."""
    deadline = time.monotonic() + within_seconds
    while processes and time.monotonic() < deadline:
        time.sleep(1)
    return not processes
