"""Unpromising trials of a study end early."""

import optuna
import pytest
import torch

from pix2pix_lit.sweep.study import open_storage
from pix2pix_lit.train import train


@pytest.mark.slow
@pytest.mark.parametrize(("others", "pruned"), [(0.0, True), (9.0, False)])
def test_a_trial_worse_than_the_median_of_the_others_ends_after_its_validation(compose_train, tmp_path, others, pruned):
    address = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="study", storage=open_storage(address), direction="minimize")
    finished = study.ask()
    for step in (4, 8, 12):
        finished.report(others, step)
    study.tell(finished, others)
    study.ask()

    train(
        compose_train(
            "sweep=[optuna,pruning]",
            "trial=1",
            f"callbacks.pruning.storage='{address}'",
            "callbacks.pruning.study_name=study",
            "callbacks.pruning.startup_trials=1",
            "trainer.max_epochs=3",
        )
    )
    trial = optuna.load_study(study_name="study", storage=open_storage(address)).trials[1]
    assert [*trial.intermediate_values] == ([4] if pruned else [4, 8, 12])
    assert trial.user_attrs.get("pruned", False) is pruned
    assert torch.load(tmp_path / "run/checkpoints/last.ckpt")["global_step"] == (4 if pruned else 12)
