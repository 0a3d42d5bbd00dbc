"""The best model of a run."""

import shutil

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from pix2pix_lit.callbacks import BestCheckpoint, LastCheckpoint
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.errors import UserError


@pytest.mark.parametrize(("objective", "mode"), [("val/l1", "min"), ("val/psnr", "max"), ("val/ssim", "max")])
def test_better_is_lower_or_higher_as_the_metric_has_it(tmp_path, objective, mode):
    assert BestCheckpoint(str(tmp_path), objective).mode == mode


@pytest.mark.parametrize("objective", ["val/psrn", "psnr", "loss/D_real", ""])
def test_an_unknown_objective_is_refused(tmp_path, objective):
    with pytest.raises(UserError, match="expected one of val/boundary_f, .*, val/l1, .*, val/ssim"):
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
def test_the_best_of_a_resumed_run_is_that_of_all_its_epochs(fit, tmp_path, place):
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
def test_a_run_resumed_from_its_best_needs_no_other_validation(fit, tmp_path):
    first, _, _ = fit(callbacks(tmp_path / "first"), max_epochs=1)
    resumed, _, _ = fit(callbacks(tmp_path / "new"), tmp_path / "first" / "best.ckpt", max_epochs=1)
    assert (resumed.batches, resumed.validations) == ([], [])
    last = read_checkpoint(tmp_path / "new" / "last.ckpt")
    assert last["validation_metrics"] == {"val/l1": first.validations[0][1]}


class Improve(L.Callback):
    """Makes the model of a resumed run better than any before."""

    def on_validation_start(self, trainer, pl_module):
        if trainer.ckpt_path is not None and not trainer.sanity_checking:
            pl_module.weight.data.fill_(1e-6 / trainer.global_step)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", ["elsewhere", "below by name", "the file to resume from", "another name"])
@pytest.mark.parametrize("kind", [BestCheckpoint, ModelCheckpoint])
def test_a_crafted_checkpoint_has_none_of_the_users_files_removed(fit, tmp_path, kind, place):
    def best(folder):
        own = BestCheckpoint(str(folder), "val/l1")
        return own if kind is BestCheckpoint else ModelCheckpoint(str(folder), "top-{step}", "val/l1", save_top_k=1)

    fit([best(tmp_path / "theirs"), LastCheckpoint(str(tmp_path / "theirs" / "last.ckpt"))], max_epochs=1)
    new, users = tmp_path / "new", tmp_path / "precious"
    for folder in (users, new / "notes"):
        folder.mkdir(parents=True)
        (folder / "work.txt").write_text("years of it")
    named = {
        "elsewhere": users,
        "below by name": new / "x" / ".." / ".." / "precious",
        "the file to resume from": tmp_path / "theirs" / "last.ckpt",
        "another name": new / "notes",
    }[place]
    crafted = torch.load(tmp_path / "theirs" / "last.ckpt")
    (state,) = crafted["callbacks"].values()
    state |= {name: str(named) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
    if place == "elsewhere":
        state["best_model_path"] = ""
    state |= {"dirpath": str(new), "best_k_models": {str(named): state["best_model_score"]}}
    crafted["callbacks"][kind.__name__] = crafted["callbacks"]["ModelCheckpoint"] = state
    torch.save(crafted, tmp_path / "theirs" / "last.ckpt")

    callbacks = [best(new), LastCheckpoint(str(new / "last.ckpt")), Improve()]
    fit(callbacks, tmp_path / "theirs" / "last.ckpt", max_epochs=3)
    assert (users / "work.txt").read_text() == (new / "notes" / "work.txt").read_text() == "years of it"
    assert (tmp_path / "theirs" / "last.ckpt").exists()
    assert {path.name for path in new.glob("*.ckpt")} >= {"last.ckpt"}
    assert callbacks[0].best_model_path.startswith(str(new))
    assert callbacks[0].best_model_score < 1e-4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("score", [None, "0.1", torch.tensor(float("nan")), torch.ones(2), 0.1])
def test_a_score_that_is_no_finite_number_is_refused(fit, tmp_path, score):
    fit(callbacks(tmp_path / "old"), max_epochs=1)
    crafted = torch.load(tmp_path / "old" / "last.ckpt")
    (state,) = (state for key, state in crafted["callbacks"].items() if "BestCheckpoint" in key)
    state["best_model_score"] = score
    torch.save(crafted, tmp_path / "old" / "last.ckpt")
    with pytest.raises(UserError, match="the score of the best model in .*old/last.ckpt is not a finite number"):
        fit(callbacks(tmp_path / "new"), tmp_path / "old" / "last.ckpt", max_epochs=2)
