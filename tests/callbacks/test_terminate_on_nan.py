"""A training whose numbers are no longer finite ends at once, and overwrites no checkpoint."""

import types

import lightning as L
import pytest
import torch

from pix2pix_lit.callbacks import LastCheckpoint, TerminateOnNaN
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")

NAN, INF = float("nan"), float("inf")


class Spoil(L.Callback):
    """Makes the loss of a step, the weight after it, or both, another value."""

    def __init__(self, step: int, loss: float | None = None, weight: float | None = None) -> None:
        self.step, self.loss, self.weight = step, loss, weight

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.last_step = trainer.global_step
        if trainer.global_step == self.step:
            if self.loss is not None:
                outputs["loss"] = torch.tensor(self.loss)
            if self.weight is not None:
                pl_module.weight.data.fill_(self.weight)


def callbacks(folder, spoil, every_n_steps=0):
    last = str(folder / "last.ckpt")
    return [spoil, TerminateOnNaN(last), LastCheckpoint(last, every_n_steps)]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_loss_that_is_not_finite_ends_the_run_with_its_step_and_pairs(fit, tmp_path, value, step):
    seen = fit([])[0].batches
    spoil = Spoil(step, loss=value)
    with pytest.raises(UserError, match="expected finite numbers") as error:
        fit(callbacks(tmp_path, spoil))
    assert spoil.last_step == step  # on the CPU
    message = str(error.value)
    assert f"loss={value} in step {step}, on {', '.join(seen[step - 1][1])}" in message
    assert (f"the step before was on {', '.join(seen[step - 2][1])}" in message) == (step > 1)
    assert ("No checkpoint has been written" in message) == (step < 5)  # one is after every epoch of 4 steps
    assert step < 5 or read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 4


@pytest.mark.parametrize("value", [NAN, INF])
def test_weights_that_are_not_finite_are_never_saved(fit, tmp_path, value):
    seen = fit([])[0].batches
    with pytest.raises(UserError, match="the gradients of step 4, on .* were not finite: now weight hold") as error:
        fit(callbacks(tmp_path, Spoil(4, weight=value), every_n_steps=3), val_check_interval=2)
    assert ", ".join(seen[3][1]) in str(error.value)
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 3


def test_a_finite_run_is_not_stopped(fit, tmp_path):
    _, trainer, _ = fit(callbacks(tmp_path, Spoil(3, loss=3e38, weight=1e10)), limit_val_batches=0, max_epochs=1)
    assert trainer.global_step == 4


class OnGpu:
    """A module that says it is on a GPU, and a trainer of it."""

    device = torch.device("cuda")

    def __init__(self, scaler=None):
        self.world_size, self.global_step = 1, 0
        self.precision_plugin = types.SimpleNamespace(scaler=scaler)


def steps(callback, gpu, losses):
    """Show a callback steps with these losses; returns the step in which it ended the run."""
    for loss in losses:
        gpu.global_step += 1
        try:
            callback.on_train_batch_end(gpu, gpu, {"G": torch.tensor(loss)}, {"name": [f"pair{gpu.global_step}"]}, 0)
        except UserError as error:
            return gpu.global_step, str(error)
    return None, ""


def test_on_a_gpu_losses_are_looked_at_together_and_before_a_checkpoint(tmp_path):
    callback, gpu = TerminateOnNaN(str(tmp_path / "last.ckpt"), every_n_steps=4), OnGpu()
    callback.setup(gpu, gpu, "fit")
    at, message = steps(callback, gpu, [1.0, 1.0, 1.0, 1.0, 1.0, NAN, NAN, 1.0])
    assert at == 8
    assert "G=nan in step 6, on pair6 (the step before was on pair5)" in message

    callback, gpu = TerminateOnNaN(str(tmp_path / "last.ckpt"), every_n_steps=4), OnGpu()
    callback.setup(gpu, gpu, "fit")
    assert steps(callback, gpu, [1.0, NAN]) == (None, "")
    with pytest.raises(UserError, match="G=nan in step 2"):
        callback.on_save_checkpoint(gpu, gpu, {"state_dict": {}})


class Scaler:
    def __init__(self, scale):
        self.scale = scale

    def get_scale(self):
        return self.scale


def test_with_a_gradient_scaler_only_weights_and_a_collapsed_scale_end_the_run(tmp_path):
    scaler = Scaler(65536.0)
    callback, gpu = TerminateOnNaN(str(tmp_path / "last.ckpt"), every_n_steps=1), OnGpu(scaler)
    callback.setup(gpu, gpu, "fit")
    assert steps(callback, gpu, [1.0, NAN, INF]) == (None, "")
    large = torch.full((3,), 3e38)  # the sum of which is not finite
    callback.on_save_checkpoint(gpu, gpu, {"state_dict": {"w": large, "n": torch.tensor(7)}})
    with pytest.raises(UserError, match="the gradients of step 3, on pair3, were not finite: now w hold NaN"):
        callback.on_save_checkpoint(gpu, gpu, {"state_dict": {"w": torch.tensor([1.0, NAN])}})
    scaler.scale = 1e-5
    at, message = steps(callback, gpu, [1.0])
    assert at == 4
    assert "gradient scale of trainer.precision=16-mixed has collapsed to 1.0e-05 in step 4, on pair4" in message


def test_a_number_of_steps_below_one_is_refused():
    with pytest.raises(
        UserError, match="callbacks.terminate_on_nan.every_n_steps is 0; expected a whole number, 1 or more"
    ):
        TerminateOnNaN("last.ckpt", every_n_steps=0)
