"""Stopping unpromising trials of an Optuna study early."""

import lightning as L

from pix2pix_lit.checks import FreeText, Word


class PruneTrial(L.Callback):
    """Reports every validation to the study, and stops the run according to the median stopping rule.

    A trial is pruned if its best value so far is worse than the median of what the finished trials had reported
    after the same number of batches (the median stopping rule of Golovin et al. 2017, Google Vizier).

    Args:
        storage: SQLAlchemy address of the study's database.
        study_name: name of the study in it.
        trial: number of the trial; None outside a study, where nothing is done.
        objective: the metric that is reported.
        startup_trials: trials that finish before any is pruned.
        warmup_steps: batches that every trial may train for.
    """

    def __init__(
        self,
        storage: FreeText,
        study_name: Word,
        trial: int | None,
        objective: Word,
        startup_trials: int = 5,
        warmup_steps: int = 0,
    ) -> None:
        self.storage = storage
        self.study_name = study_name
        self.trial = trial
        self.objective = objective
        self.startup_trials, self.warmup_steps = startup_trials, warmup_steps

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.trial is None or trainer.sanity_checking:
            return
        should_prune = trainer.is_global_zero and self._should_prune(trainer, self.trial)
        if trainer.strategy.broadcast(should_prune):
            trainer.should_stop = True

    def _should_prune(self, trainer: L.Trainer, number: int) -> bool:
        import optuna

        from pix2pix_lit.sweep.study import open_storage, running_trial

        storage = open_storage(self.storage)
        pruner = optuna.pruners.MedianPruner(self.startup_trials, self.warmup_steps)
        study = optuna.load_study(study_name=self.study_name, storage=storage, pruner=pruner)
        trial = running_trial(study, storage, number)
        trial.report(float(trainer.callback_metrics[self.objective]), trainer.global_step)
        if trial.should_prune():
            trial.set_user_attr("pruned", True)
            return True
        return False
