"""The best model of a run."""

import shutil

import lightning as L
import pytest

from pix2pix_lit.callbacks import BestCheckpoint, LastCheckpoint
from pix2pix_lit.checkpoint import read_checkpoint
from pix2pix_lit.errors import UserError


@pytest.mark.parametrize(("objective", "mode"), [("val/l1", "min"), ("val/psnr", "max"), ("val/ssim", "max")])
def test_better_is_lower_or_higher_as_the_metric_has_it(tmp_path, objective, mode):
    assert BestCheckpoint(str(tmp_path), objective).mode == mode


@pytest.mark.parametrize("objective", ["val/psrn", "psnr", "loss/D_real", ""])
def test_an_unknown_objective_is_refused(tmp_path, objective):
    with pytest.raises(UserError, match="expected one of val/l1, val/psnr, val/ssim"):
        BestCheckpoint(str(tmp_path), objective)


class Worsen(L.Callback):
    """Makes everything worse after the first epoch, and much worse in a run of its own."""

    def on_validation_start(self, trainer, pl_module):
        if trainer.global_step > 4:
            pl_module.weight.data.fill_(100.0 * trainer.global_step)


def callbacks(folder):
    return [BestCheckpoint(str(folder), "val/l1"), LastCheckpoint(str(folder / "last.ckpt")), Worsen()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", ["the same folder", "another folder", "a folder that was moved"])
def test_the_best_of_a_run_that_goes_on_is_that_of_all_its_epochs(fit, tmp_path, place):
    old = new = tmp_path / "old"
    _, trainer, _ = fit(callbacks(old), max_epochs=2)
    score = trainer.checkpoint_callback.best_model_score
    content = (old / "best.ckpt").read_bytes()
    assert read_checkpoint(old / "best.ckpt")["global_step"] == 4
    if place == "another folder":
        new = tmp_path / "new"
    elif place == "a folder that was moved":
        old = new = shutil.move(old, tmp_path / "moved")

    _, trainer, _ = fit(callbacks(new), old / "last.ckpt", max_epochs=3)
    assert (new / "best.ckpt").read_bytes() == content
    assert trainer.checkpoint_callback.best_model_score == score
    assert trainer.checkpoint_callback.best_model_path == str(new / "best.ckpt")
    expected = {"best.ckpt", "last.ckpt"} | ({"previous.ckpt"} if old == new else set())
    assert {path.name for path in new.iterdir()} == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["old", "new"])
def test_a_score_without_its_model_does_not_count(fit, tmp_path, folder):
    fit(callbacks(tmp_path / "old"), max_epochs=2)
    (tmp_path / "old" / "best.ckpt").unlink()
    fit(callbacks(tmp_path / folder), tmp_path / "old" / "last.ckpt", max_epochs=3)
    assert read_checkpoint(tmp_path / folder / "best.ckpt")["global_step"] == 12


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_goes_on_from_its_best_needs_no_other_validation(fit, tmp_path):
    whole, _, _ = fit(callbacks(tmp_path / "whole"), max_epochs=1)
    resumed, _, _ = fit(callbacks(tmp_path / "new"), tmp_path / "whole" / "best.ckpt", max_epochs=1)
    assert (resumed.batches, resumed.validations) == ([], [])
    last = read_checkpoint(tmp_path / "new" / "last.ckpt")
    assert last["validation_metrics"] == {"val/l1": whole.validations[0][1]}
