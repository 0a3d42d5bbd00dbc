"""Runs an Optuna study, which several processes can share; trials of a killed process are resumed."""

import functools
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.trial import Trial, TrialState

from pix2pix_lit.checks import check_choice, check_integer, check_number
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import JobError
from pix2pix_lit.runs.overrides import differences
from pix2pix_lit.sweep.results import better
from pix2pix_lit.sweep.search_space import parse_overrides, suggest

log = logging.getLogger(__name__)


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Open the database at an SQLAlchemy URL; an SQLite file is created if it does not exist.

    Raises:
        JobError: if another version of Optuna wrote it, or its driver is not installed.
    """
    options = None
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": 60}}  # seconds to wait for other processes
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except (ImportError, RuntimeError) as error:
        raise JobError(
            f"the study in {url} cannot be opened ({error}); expected one written by Optuna {optuna.__version__}: "
            f"start another study with name=NAME, or choose another hydra.sweeper.storage"
        ) from error


def running_trial(study: optuna.Study, storage: optuna.storages.RDBStorage, number: int) -> Trial:
    """A trial that this or another process has started, for sampling its values or reporting metrics."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, number))


class Study:
    """Runs trials as jobs of a Hydra launcher until the study has ``n_trials``, counting those of other processes.

    A trial whose process was killed is resumed by the next process that looks for work, in the same folder and with
    the same values; its run then resumes from its checkpoint. A lock file in the sweep's folder shows whether a trial's
    process is alive, so all processes of a study must share that folder. A failed trial, with an error or with an
    objective that is not finite, counts as one of the trials.

    Every job gets the number of its trial as ``trial=NUMBER`` and the sampled values. With a seed, these depend on the
    seed, the trial's number and the finished trials.

    Args:
        sampler: the config of an Optuna sampler.
        storage: SQLAlchemy URL of the database.
        study_name: name of the study in it.
        direction: ``minimize`` or ``maximize``; None for the direction of the config's ``objective``.
        n_trials: number of trials in the study.
        n_jobs: number of trials to launch together.
        max_failure_rate: fraction of the trials launched together that may fail before the sweep stops.
        params: the search space, as keys and sweeps in Hydra's syntax.
        config: the composed config with that of Hydra.
        hydra_context: for creating the launcher.
        task_function: the function that runs a job.

    Raises:
        UserError: for a number out of range or an unknown direction.
    """

    def __init__(
        self,
        *,
        sampler: DictConfig,
        storage: str | None,
        study_name: str,
        direction: str | None,
        n_trials: int,
        n_jobs: int,
        max_failure_rate: float,
        params: Mapping[str, Any] | None,
        config: DictConfig,
        hydra_context: HydraContext,
        task_function: TaskFunction,
    ) -> None:
        check_integer("hydra.sweeper.n_trials", n_trials, 1)
        check_integer("hydra.sweeper.n_jobs", n_jobs, 1)
        check_number("hydra.sweeper.max_failure_rate", max_failure_rate, 0, 1)
        check_choice("hydra.sweeper.direction", direction, ("minimize", "maximize", None))
        if config.objective == "auto":
            raise UserError(
                "objective is auto, which every run decides by its data; expected one metric for all trials of a "
                "study, such as objective=val/ssim for photos or objective=val/iou for labels"
            )
        self.sampler, self.storage, self.study_name = sampler, storage, study_name
        self.direction = direction or f"{better(config.objective)}imize"
        self.n_trials, self.n_jobs, self.max_failure_rate = n_trials, n_jobs, max_failure_rate
        self.params = params or {}
        self.folder = Path(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )
        self._held: dict[int, FileLock] = {}

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until the study has enough of them.

        Args:
            arguments: overrides of the command line, which may extend the search space or fix some of its keys.

        Raises:
            JobError: if the study was started by a different command, if too many trials or all of them fail, and for
                values that Optuna does not support.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        given = [f"{key}={value}" for key, value in self.params.items()] + arguments
        self.space, self.fixed = parse_overrides(given)
        with self._lock("study"):
            self._refuse_another_command()
        while trials := self._take():
            jobs = [(*values, f"trial={number}") for number, values in trials.items()]
            returns = self.launcher.launch(jobs, initial_job_idx=min(trials))
            failed = [self._record(number, result) for number, result in zip(trials, returns, strict=True)].count(False)
            if failed > self.max_failure_rate * len(trials):
                raise JobError(
                    f"{failed} of {len(trials)} trials failed, which is more than "
                    f"hydra.sweeper.max_failure_rate={self.max_failure_rate} allows; their messages are above"
                )
        self._report()

    @functools.cached_property
    def _database(self) -> optuna.storages.RDBStorage:
        if not self.storage:
            raise JobError("hydra.sweeper.storage is not set; expected an address such as sqlite:///FOLDER/study.db")
        return open_storage(self.storage)

    def _open(self) -> optuna.Study:
        """Open the study, once per use: Optuna's study objects cache trials and miss those of other processes."""
        return optuna.create_study(
            study_name=self.study_name, storage=self._database, direction=self.direction, load_if_exists=True
        )

    def _take(self) -> dict[int, list[str]]:
        """Take at most ``n_jobs`` trials to run and their locks; returns their numbers and overrides."""
        with self._lock("study"):
            study = self._open()
            begun = [trial for trial in study.get_trials() if trial.state != TrialState.WAITING]
            left = [t.number for t in begun if t.state == TrialState.RUNNING and not self._is_held(t.number)]
            taken: dict[int, list[str]] = {}
            for number in left[: self.n_jobs]:
                log.info("Resuming trial %d, whose process has ended", number)
                study.sampler = self._sampler(number)
                taken[number] = self._overrides(running_trial(study, self._database, number))
            for number in range(len(begun), min(self.n_trials, len(begun) + self.n_jobs - len(taken))):
                study.sampler = self._sampler(number)
                trial = study.ask()
                taken[trial.number] = self._overrides(trial)
            for number in taken:
                self._held[number] = self._lock(f"trial_{number}")
                self._held[number].acquire()
        return taken

    def _overrides(self, trial: Trial) -> list[str]:
        try:
            drawn = {key: suggest(trial, key, override) for key, override in self.space.items()}
        except UserError as error:
            raise JobError(str(error)) from None
        except ValueError as error:  # from Optuna
            raise JobError(f"the study in {self.storage} does not accept this search space: {error}") from error
        return [f"{key}={value}" for key, value in (drawn | self.fixed).items()]

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """A new sampler per trial: with one seed for all, processes and resumed sweeps would sample the same values."""
        seed = self.sampler.get("seed")
        return instantiate(self.sampler, **({} if seed is None else {"seed": (seed * 100_003 + number) % 2**32}))

    def _record(self, number: int, result: JobReturn) -> bool:
        """Record the outcome of a trial; False if it failed."""
        study = self._open()
        value = result.return_value if result.status == JobStatus.COMPLETED else None
        finite = isinstance(value, int | float) and math.isfinite(value)
        if not finite:
            study.tell(number, state=TrialState.FAIL)
            log.warning("Trial %d failed; the study continues", number)
        elif study.get_trials()[number].user_attrs.get("pruned"):
            study.tell(number, state=TrialState.PRUNED)
        else:
            study.tell(number, value)
        self._held.pop(number).release()
        return finite

    def _report(self) -> None:
        study = self._open()
        states = [trial.state for trial in study.get_trials()]
        counts = ", ".join(f"{states.count(state)} {state.name.lower()}" for state in TrialState if state in states)
        log.info("The study in %s has %d trials: %s", self.folder, len(states), counts)
        if states and set(states) == {TrialState.FAIL}:
            raise JobError(
                f"all {len(states)} trials of the study in {self.storage} failed; expected at least one with a finite "
                f"objective: see their messages above or in {self.folder / 'results.md'}, and start another study with "
                f"name=NAME"
            )

    def _refuse_another_command(self) -> None:
        study = self._open()
        sweeps = {key: override.get_value_string() for key, override in self.space.items()}
        command, before = self.fixed | sweeps, study.user_attrs.get("command")
        if before is None:
            study.set_user_attr("command", command)
        elif found := differences(before, command):
            raise JobError(
                f"the study in {self.storage} was started by a command that differs in {found}; "
                f"expected the same command: repeat it, or start another study with name=NAME"
            )

    def _lock(self, name: str) -> FileLock:
        """A lock that the kernel releases when its process ends."""
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}.lock")

    def _is_held(self, number: int) -> bool:
        try:
            with self._lock(f"trial_{number}").acquire(blocking=False):
                return False
        except Timeout:
            return True
