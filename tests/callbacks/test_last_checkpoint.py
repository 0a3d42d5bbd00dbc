"""A run resumed from any regular checkpoint equals the uninterrupted one."""

import lightning as L
import pytest

from pix2pix_lit.callbacks import BestCheckpoint, LastCheckpoint
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")


def callbacks(folder, *others, every_n_steps=0):
    return [BestCheckpoint(str(folder), "val/l1"), LastCheckpoint(str(folder / "last.ckpt"), every_n_steps), *others]


@pytest.mark.slow
def test_a_run_resumed_from_any_regular_checkpoint_equals_the_uninterrupted_one(fit, tmp_path):
    class Copy(L.Callback):
        """Keeps every version of last.ckpt, by the number of validations before."""

        def on_train_batch_start(self, trainer, pl_module, *_):
            self.copies = getattr(self, "copies", {})
            last = tmp_path / "last.ckpt"
            if last.exists():
                checkpoint = read_checkpoint(last)
                self.copies[checkpoint["global_step"]] = last.read_bytes()

    for options in ({}, {"val_check_interval": 2}, {"max_steps": 10, "val_check_interval": 2}):
        copy = Copy()
        uninterrupted, _, _ = fit(callbacks(tmp_path, copy, every_n_steps=1), **options)
        steps = len(uninterrupted.batches)
        assert sorted(copy.copies) == list(range(1, steps))
        for step, content in copy.copies.items():
            (tmp_path / "copy.ckpt").write_bytes(content)
            resumed, _, logged = fit(callbacks(tmp_path / str(step)), tmp_path / "copy.ckpt", **options)
            assert resumed.batches == uninterrupted.batches[step:]
            assert resumed.validations == [entry for entry in uninterrupted.validations if entry[0] > step]
            assert logged == list(range(step, steps))
        (tmp_path / "last.ckpt").unlink()


class KillIn(L.Callback):
    """Leaves a copy of last.ckpt as it is when the n-th validation begins."""

    def __init__(self, n, last):
        self.n, self.last, self.count = n, last, 0

    def on_validation_start(self, trainer, pl_module):
        self.count += not trainer.sanity_checking
        if self.count == self.n and not (self.last.parent / "copy.ckpt").exists():
            (self.last.parent / "copy.ckpt").write_bytes(self.last.read_bytes())


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("options", [{}, {"max_steps": 10}])
def test_a_run_killed_in_a_validation_repeats_it(fit, tmp_path, n, options):
    uninterrupted, _, _ = fit(callbacks(tmp_path, KillIn(n, tmp_path / "last.ckpt"), every_n_steps=1), **options)
    resumed, _, _ = fit(callbacks(tmp_path / "new"), tmp_path / "copy.ckpt", **options)
    assert resumed.validations == uninterrupted.validations[n - 1 :]
    at = uninterrupted.validations[n - 1][0]
    assert resumed.batches == uninterrupted.batches[at - 1 :]  # saved after a validation, not before it as well


@pytest.mark.parametrize(("every_n_steps", "expected"), [(0, [4, 8, 12]), (3, [3, 4, 6, 8, 9, 12])])
def test_it_is_written_at_the_end_of_epochs_and_every_few_steps(fit, tmp_path, every_n_steps, expected):
    steps = []

    class Count(LastCheckpoint):
        def _save(self, trainer):
            steps.append(trainer.global_step)
            super()._save(trainer)

    fit([Count(str(tmp_path / "last.ckpt"), every_n_steps)])
    assert steps == expected
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 12


def test_it_holds_the_metrics_of_the_newest_validation(fit, tmp_path):
    module, _, _ = fit([LastCheckpoint(str(tmp_path / "last.ckpt"))])
    assert read_checkpoint(tmp_path / "last.ckpt")["validation_metrics"] == {"val/l1": module.validations[-1][1]}


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(UserError, match="callbacks.last.every_n_steps is -1; expected a whole number, 0 or more"):
        LastCheckpoint("last.ckpt", every_n_steps=-1)
