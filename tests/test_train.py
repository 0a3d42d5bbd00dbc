"""The train command, called as a function."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.train import train


@pytest.mark.parametrize("choice", ["logger=none", "logger=csv", "callbacks=none", "callbacks.progress_bar=null"])
def test_every_logger_and_callback_choice_trains(compose_train, choice):
    assert train(compose_train(choice, "trainer.max_epochs=1")) > 0


@pytest.mark.parametrize("objective", ["val/l1", "val/ssim"])
def test_the_objective_is_returned_and_is_what_best_is_the_best_by(compose_train, tmp_path, objective):
    value = train(compose_train(f"objective={objective}", "trainer.max_steps=3"))
    callbacks = torch.load(tmp_path / "run/checkpoints/best.ckpt")["callbacks"]
    (best,) = (state for key, state in callbacks.items() if "BestCheckpoint" in key)
    assert best["monitor"] == objective
    assert value == pytest.approx(best["best_model_score"].item())


def test_without_validation_there_is_no_objective(compose_train):
    assert train(compose_train("trainer.max_steps=1", "trainer.limit_val_batches=0")) is None


def test_a_run_that_diverges_is_an_error(compose_train):
    diverging = compose_train("model.generator_optimizer.lr=1e30", "trainer.max_steps=3", "model.generator.norm=none")
    with pytest.raises(UserError, match="val/l1 is nan at the end of the run"):
        train(diverging)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "seed is -1"),
        ("model.generator_optimizer.lr=abc", "model.generator_optimizer is .*abc.* refused"),
        ("+trainer.enable_progress_bar=false", "TQDMProgressBar"),
        ("trainer.strategy=ddp_spawn", "expected auto or ddp"),
    ],
)
def test_wrong_values_are_refused(compose_train, override, message):
    with pytest.raises(Exception, match=message):
        train(compose_train(override, "trainer.max_steps=1"))
