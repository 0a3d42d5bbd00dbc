"""An Optuna study that any number of processes work on, that survives their end and has a number of trials in all."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl, create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.trial import Trial, TrialState

from pix2pix_lit.runs.command import JobError
from pix2pix_lit.runs.overrides import differences
from pix2pix_lit.sweep.results import better

log = logging.getLogger(__name__)


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """The data base with that SQLAlchemy address; made if it is SQLite and not there yet."""
    if int(sqlalchemy.__version__.split(".")[0]) >= 2:
        raise JobError(
            f"sqlalchemy {sqlalchemy.__version__} is installed, which this Optuna cannot use; "
            f'expected one below 2: pip install "sqlalchemy<2"'
        )
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})  # seconds for others
    return optuna.storages.RDBStorage(url)


class Study(OptunaSweeperImpl):
    """The Optuna sweeper with three differences.

    - ``n_trials`` is the number of trials in the study, whoever ran them, not of trials to add.
    - A trial whose process was killed is taken up by the next process that looks for work, in the same folder and
      with the same values, so that its run goes on from its checkpoint. A lock in the sweep's folder tells the dead
      from the living, so the processes of a study need to share that folder.
    - A trial that fails, by an error or by an objective that is not finite, is one trial less and no more.

    Every trial has its number as the value of the key ``trial``, beside the values that the study draws. With
    ``sampler.seed`` the draws depend on that seed, the trial's number and the trials that are over.

    Raises:
        JobError: if the study was begun by another command, and for what Optuna's storage cannot be.
    """

    config: DictConfig
    launcher: Launcher
    storage: str

    def setup(self, **context: Any) -> None:
        super().setup(**context)
        self.folder = Path(self.config.hydra.sweep.dir)
        self._held: dict[int, FileLock] = {}

    def sweep(self, arguments: list[str]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space, fixed = create_params_from_overrides(self._parse_sweeper_params_config() + arguments)
        space = {key: distribution for key, distribution in space.items() if key not in fixed}
        if not self.storage:
            raise JobError("hydra.sweeper.storage is not set; expected an address such as sqlite:///FOLDER/study.db")
        if not isinstance(self.sampler, optuna.samplers.BaseSampler):
            raise JobError("hydra/sweeper/sampler is grid; expected another: for grids there is sweep=grid")
        with self._lock("study"):
            self._refuse_another_command(self._open(), space, fixed)
        while trials := self._take(space, fixed):
            jobs = [(*values, f"trial={number}") for number, values in trials.items()]
            returns = self.launcher.launch(jobs, initial_job_idx=min(trials))
            ended_well = [self._tell(number, result) for number, result in zip(trials, returns, strict=True)]
            if ended_well.count(False) > self.max_failure_rate * len(trials):
                raise JobError(
                    f"{ended_well.count(False)} of {len(trials)} trials failed, which is more than "
                    f"hydra.sweeper.max_failure_rate={self.max_failure_rate} allows; their messages are above"
                )
        self._tell_states()

    def _open(self) -> optuna.Study:
        """Anew for every use, as Optuna remembers trials of its own and would not see what their runs report."""
        return optuna.create_study(
            study_name=self.study_name,
            storage=open_storage(self.storage),
            direction=self._get_directions()[0] if self.direction else f"{better(self.config.objective)}imize",
            load_if_exists=True,
        )

    def _take(self, space: dict[str, Any], fixed: dict[str, Any]) -> dict[int, Sequence[str]]:
        """The numbers and overrides of the next trials to run, at most ``n_jobs``; their locks are held."""
        with self._lock("study"):
            study = self._open()
            begun = [trial for trial in study.get_trials() if trial.state != TrialState.WAITING]
            trials: list[Trial] = []
            for left in [t for t in begun if t.state == TrialState.RUNNING and not self._is_held(t.number)]:
                if len(trials) < self.n_jobs:
                    log.info("Trial %d was left by a process that has ended; it goes on", left.number)
                    study.sampler = self._sampler(left.number)
                    trials.append(Trial(study, left._trial_id))
            for number in range(len(begun), min(self.n_trials, len(begun) + self.n_jobs - len(trials))):
                study.sampler = self._sampler(number)
                trials.append(study.ask())
            try:
                overrides = self._configure_trials(trials, space, fixed)
            except ValueError as error:  # Optuna's, for a space that has changed
                raise JobError(f"the study in {self.storage} cannot have these trials: {error}") from error
            for trial in trials:
                self._held[trial.number] = self._lock(f"trial_{trial.number}")
                self._held[trial.number].acquire()
        return {trial.number: values for trial, values in zip(trials, overrides, strict=True)}

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """One for each trial, as with one seed all processes and every restart would draw the same values."""
        config = self.config.hydra.sweeper.sampler
        seed = OmegaConf.select(config, "seed")
        return self.sampler if seed is None else instantiate(config, seed=(seed * 100_003 + number) % 2**32)

    def _tell(self, number: int, result: JobReturn) -> bool:
        """Enter how a trial ended; False if it failed."""
        study = self._open()
        value = result.return_value if result.status == JobStatus.COMPLETED else None
        finite = isinstance(value, int | float) and math.isfinite(value)
        if not finite:
            study.tell(number, state=TrialState.FAIL)
            log.warning("Trial %d failed; the study goes on", number)
        elif study.get_trials()[number].user_attrs.get("pruned"):
            study.tell(number, state=TrialState.PRUNED)
        else:
            study.tell(number, value)
        self._held.pop(number).release()
        return finite

    def _tell_states(self) -> None:
        study = self._open()
        states = [trial.state.name.lower() for trial in study.get_trials()]
        counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
        log.info("The study in %s has %d trials: %s", self.folder, len(states), counts)

    def _refuse_another_command(self, study: optuna.Study, space: dict[str, Any], fixed: dict[str, Any]) -> None:
        command = {key: str(value) for key, value in (fixed | space).items()}
        before = study.user_attrs.get("command")
        if before is None:
            study.set_user_attr("command", command)
        elif found := differences(before, command):
            raise JobError(
                f"the study in {self.storage} was begun by a command that differs in {found}; "
                f"expected the same: repeat it, or begin another study with name=NAME"
            )

    def _lock(self, name: str) -> FileLock:
        """Held by a process as long as it lives; the kernel lets it go."""
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}.lock")

    def _is_held(self, number: int) -> bool:
        try:
            with self._lock(f"trial_{number}").acquire(blocking=False):
                return False
        except Timeout:
            return True
