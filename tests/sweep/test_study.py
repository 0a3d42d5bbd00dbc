"""An Optuna study that several processes work on, with trials that take no time."""

import math
import sqlite3
from pathlib import Path

import optuna
import pytest
from alembic.script import ScriptDirectory
from filelock import FileLock
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.trial import TrialState

from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import CONFIG_DIR, JobError
from pix2pix_lit.runs.overrides import split_overrides
from pix2pix_lit.sweep.study import Study, open_storage, running_trial


@pytest.fixture(scope="module", autouse=True)
def _migrations_read_once():
    """Optuna reads all of its migration files whenever it opens a storage, which took a quarter of these tests."""
    read, known = ScriptDirectory.from_config, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ScriptDirectory,
            "from_config",
            lambda config: known.setdefault(config.get_main_option("script_location"), read(config)),
        )
        yield


class Launcher:
    """Runs jobs by a function of their values and of the trial's number."""

    def __init__(self, run):
        self.run = run
        self.jobs = []

    def launch(self, overrides, initial_job_idx):
        returns = []
        for job in overrides:
            values = split_overrides(job)
            self.jobs.append(values)
            try:
                returns.append(JobReturn(status=JobStatus.COMPLETED, _return_value=self.run(values)))
            except ValueError as error:
                returns.append(JobReturn(status=JobStatus.FAILED, _return_value=error))
        return returns


@pytest.fixture
def sweep(tmp_path):
    """Run a study in ``tmp_path`` as one process would; returns the values of the jobs that it ran."""

    def run_sweep(run=lambda values: float(values["rate"]), arguments=("seed=3",), objective="val/l1", **settings):
        sampler = {"_target_": "optuna.samplers.TPESampler", "seed": settings.pop("seed", None), "n_startup_trials": 2}
        launcher = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
        hydra = {"sweep": {"dir": str(tmp_path)}, "launcher": launcher}
        defaults = {
            "sampler": OmegaConf.create(sampler),
            "storage": address(tmp_path),
            "study_name": "study",
            "direction": None,
            "n_trials": 4,
            "n_jobs": 1,
            "max_failure_rate": 1.0,
            "params": {"rate": "interval(0, 1.0)"},
            "config": OmegaConf.create({"objective": objective, "hydra": hydra}),
        }
        study = Study(**defaults | settings, hydra_context=None, task_function=None)
        study.launcher = Launcher(run)
        study.sweep(list(arguments))
        return study.launcher.jobs

    return run_sweep


def address(folder):
    return f"sqlite:///{folder}/study.db"


def load(folder):
    return optuna.load_study(study_name="study", storage=open_storage(address(folder)))


def leave_running(folder, number_of_trials=1):
    """Trials as a killed process leaves them."""
    study = load(folder)
    for _ in range(number_of_trials):
        study.ask().suggest_float("rate", 0, 1.0)


def test_every_job_gets_its_number_the_values_drawn_and_those_of_the_command(sweep):
    jobs = sweep()
    assert [job["trial"] for job in jobs] == ["0", "1", "2", "3"]
    assert all(job["seed"] == "3" and 0 <= float(job["rate"]) <= 1 for job in jobs)
    assert len({job["rate"] for job in jobs}) == 4


def test_n_trials_counts_the_trials_of_all_processes(sweep, tmp_path):
    assert len(sweep(n_trials=2)) == 2
    assert [job["trial"] for job in sweep(n_trials=5)] == ["2", "3", "4"]
    assert sweep(n_trials=5) == []
    assert [trial.state for trial in load(tmp_path).trials] == [TrialState.COMPLETE] * 5


def test_several_trials_at_once_do_not_exceed_the_number(sweep):
    assert len(sweep(n_trials=5, n_jobs=3)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [math.nan, math.inf, None, ValueError("no")])
def test_a_failed_trial_is_recorded_and_the_study_continues(sweep, tmp_path, outcome):
    def run(values):
        if values["trial"] != "1":
            return 0.5
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    assert len(sweep(run)) == 4
    states = [trial.state for trial in load(tmp_path).trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_study_in_which_all_trials_failed_is_an_error(sweep, tmp_path):
    with pytest.raises(JobError, match="all 4 trials of the study in .* failed; expected"):
        sweep(lambda values: None)
    assert {trial.state for trial in load(tmp_path).trials} == {TrialState.FAIL}


def test_a_lower_failure_rate_ends_the_sweep(sweep):
    with pytest.raises(JobError, match="1 of 1 trials failed.*max_failure_rate=0.5"):
        sweep(lambda values: None, max_failure_rate=0.5)


def test_a_trial_whose_process_ended_is_resumed_first_with_its_number_and_values(sweep, tmp_path):
    sweep(n_trials=1)
    leave_running(tmp_path)
    rate = load(tmp_path).trials[1].params["rate"]
    jobs = sweep(n_trials=3)
    assert [job["trial"] for job in jobs] == ["1", "2"]
    assert float(jobs[0]["rate"]) == rate


def test_a_trial_of_a_live_process_is_left_to_it(sweep, tmp_path):
    sweep(n_trials=1)
    leave_running(tmp_path)
    with FileLock(tmp_path / "locks" / "trial_1.lock"):
        assert [job["trial"] for job in sweep(n_trials=3)] == ["2"]
    assert [job["trial"] for job in sweep(n_trials=3)] == ["1"]


def test_a_process_holds_its_trial_while_it_runs_and_not_after(sweep, tmp_path):
    seen = []

    def run(values):
        if not seen:
            seen.append(True)
            seen.append(sweep(n_trials=4))  # another process, at the same moment
        return 1.0

    assert [job["trial"] for job in sweep(run)] == ["0"]
    assert [job["trial"] for job in seen[1]] == ["1", "2", "3"]
    assert [trial.state for trial in load(tmp_path).trials] == [TrialState.COMPLETE] * 4


@pytest.mark.slow
def test_with_a_seed_draws_are_repeatable_and_differ_from_trial_to_trial(sweep, tmp_path):
    first = [job["rate"] for job in sweep(seed=7)]
    (tmp_path / "study.db").unlink()
    interrupted = [job["rate"] for job in [*sweep(seed=7, n_trials=1), *sweep(seed=7)]]
    assert first == interrupted
    assert len(set(first)) == 4
    (tmp_path / "study.db").unlink()
    assert [job["rate"] for job in sweep(seed=8)] != first


@pytest.mark.parametrize(("objective", "best"), [("val/l1", 0.0), ("val/ssim", 3.0)])
def test_the_direction_is_that_of_the_objective(sweep, tmp_path, objective, best):
    sweep(lambda values: float(values["trial"]), objective=objective)
    assert load(tmp_path).best_value == best


def test_a_trial_that_its_callback_stopped_is_recorded_as_pruned(sweep, tmp_path):
    def run(values):
        storage = open_storage(address(tmp_path))  # as a callback in another process does
        trial = running_trial(load(tmp_path), storage, int(values["trial"]))
        trial.report(0.75, step=10)
        trial.set_user_attr("pruned", values["trial"] == "1")
        return 0.5

    sweep(run, n_trials=2)
    first, second = load(tmp_path).trials
    assert (first.state, first.value) == (TrialState.COMPLETE, 0.5)
    assert (second.state, second.value) == (TrialState.PRUNED, 0.75)


def test_another_command_cannot_resume_a_study(sweep):
    sweep(n_trials=1, arguments=("seed=3", "data.root=/here"))
    with pytest.raises(JobError, match=r"differs in seed=4 \(3 before\); expected the same"):
        sweep(arguments=("seed=4", "data.root=/here"))
    with pytest.raises(JobError, match="differs in rate="):
        sweep(arguments=("seed=3",), params={"rate": "interval(0, 2.0)"})
    assert len(sweep(arguments=("seed=3", "data.root=/there"), n_trials=2)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler", sorted(Path(CONFIG_DIR, "hydra/sweeper/sampler").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_sampler_draws_values(sweep, sampler):
    jobs = sweep(sampler=OmegaConf.load(sampler), params={"rate": "interval(0, 1)", "loss": "choice(a,b)"}, n_trials=6)
    assert len({job["rate"] for job in jobs}) == 6


@pytest.mark.parametrize("setting", [{"n_trials": 0}, {"n_jobs": "two"}, {"max_failure_rate": 2}, {"direction": "up"}])
def test_settings_out_of_range_are_named(sweep, setting):
    with pytest.raises(UserError, match=f"hydra.sweeper.{next(iter(setting))} is .*; expected"):
        sweep(**setting)


def test_a_study_needs_a_storage(sweep):
    with pytest.raises(JobError, match="storage is not set"):
        sweep(storage=None)


def test_a_trial_whose_process_ended_while_it_was_drawn_is_completed(sweep, tmp_path):
    sweep(n_trials=1)
    load(tmp_path).ask()
    (job,) = sweep(n_trials=2)
    assert job["trial"] == "1"
    assert float(job["rate"]) == load(tmp_path).trials[1].params["rate"]


@pytest.mark.slow
def test_a_database_of_another_optuna_is_named(sweep, tmp_path):
    sweep(n_trials=1)
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("UPDATE version_info SET schema_version = 1")
        database.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    with pytest.raises(JobError, match="cannot be opened.*start another study"):
        sweep(n_trials=2)
