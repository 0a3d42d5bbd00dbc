"""What the paper does not have: every method on its own, against its formula where it has one."""

import functools

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from .watch import INSTANCE, Overflow, Watch, assert_equal_weights


@pytest.mark.slow
def test_the_generator_learns_from_every_kth_batch_and_a_batch_still_counts_once(fit):
    watch = Watch()
    _, trainer = fit("model.discriminator_steps=3", "model.ema_decay=0.5", callbacks=[watch], max_steps=7, max_epochs=9)
    assert [watch.moved(step, "discriminator") for step in range(7)] == [True] * 7
    assert [watch.moved(step, "generator") for step in range(7)] == [False, False, True, False, False, True, False]
    assert [watch.moved(step, "generator_ema") for step in range(7)] == [watch.moved(s, "generator") for s in range(7)]
    assert trainer.global_step == 7
    assert "G_reconstruction" not in watch.losses[0]
    assert "G_reconstruction" in watch.losses[2]


def test_without_a_discriminator_the_generator_learns_from_every_batch(fit):
    _, trainer = fit("model.adversarial.weight=0", "model.discriminator_steps=3")
    assert trainer.global_step == 3


def test_losses_and_rates_are_logged_at_the_interval_and_nothing_before(fit):
    class Names(Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.seen.append({name for name in trainer.callback_metrics if not name.startswith("val/")})

    names = Names()
    _, trainer = fit(callbacks=[names], log_every_n_steps=2, max_steps=2)
    losses = {f"loss/{name}" for name in ("D_fake", "D_real", "G_adversarial", "G_reconstruction")}
    assert names.seen == [set(), losses | {"learning_rate/generator", "learning_rate/discriminator"}]
    assert trainer.callback_metrics["learning_rate/generator"].item() == pytest.approx(2e-4)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_recomputed_activations_give_the_same_weights(fit, network):
    plain, _ = fit()
    checkpointed, _ = fit(f"model.{network}.activation_checkpointing=true")
    assert_equal_weights(checkpointed.state_dict(), plain.state_dict(), atol=1e-7)


METHODS = {
    "diff_augment": ["model.diff_augment=[color,translation,cutout]"],
    "multiscale": ["model/discriminator=multiscale", "model.discriminator.width=4", "model.discriminator.layers=1"],
    "spectral_norm": ["model.discriminator.spectral_norm=true", "model.discriminator.norm=none"],
    "wgangp": ["model/adversarial=wgangp", *INSTANCE, "model.discriminator_steps=2"],
    "warm-up and cosine": ["model.schedule.warmup_steps=5", "model.schedule.decay=cosine"],
    "all": [
        "model/discriminator=multiscale",
        "model.discriminator.width=4",
        "model.discriminator.layers=1",
        "model.discriminator.spectral_norm=true",
        "model.discriminator.norm=instance",
        "model.discriminator.activation_checkpointing=true",
        "model.generator.activation_checkpointing=true",
        "model.adversarial.real_label=0.9",
        "model.r1.weight=1",
        "model.r1.every=3",
        "model.feature_matching.weight=10",
        "model.diff_augment=[color,translation,cutout]",
        "model.pool_size=3",
        "model.discriminator_steps=2",
        "model.ema_decay=0.9",
        "model.gradient_clip.generator=1",
        "model.gradient_clip.discriminator=1",
        "model.micro_batches=2",
        "model.schedule.warmup_steps=5",
        "model.schedule.decay=cosine",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_with_this_method_learns_and_resumes_exactly(fit, tmp_path, save_at, method):
    save, watch = save_at(3, tmp_path / "a.ckpt"), Watch()
    uninterrupted, _ = fit(*METHODS[method], callbacks=[save, watch], max_steps=6, max_epochs=3)
    assert all(np.isfinite(list(losses.values())).all() for losses in watch.losses)
    assert watch.moved(1, "generator")
    assert watch.moved(0, "discriminator")
    resumed, _ = fit(*METHODS[method], ckpt_path=tmp_path / "a.ckpt", max_steps=6, max_epochs=3)
    assert_equal_weights(resumed.state_dict(), uninterrupted.state_dict())


@pytest.mark.slow
def test_compiled_networks_keep_their_names_and_follow_the_same_maths(fit, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    small = ["model.generator.depth=3", "model.generator.dropout_blocks=[0]"]
    plain, _ = fit(*small, limit_val_batches=0)
    compiled, _ = fit(*small, "model.compile=default", limit_val_batches=0)
    assert compiled.generator._compiled_call_impl is not None
    assert compiled.discriminator._compiled_call_impl is not None
    assert_equal_weights(compiled.state_dict(), plain.state_dict(), atol=1e-5)
    torch._dynamo.reset()


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_gpu_learns_as_a_cpu_does(fit, precision):
    cpu, gpu = Watch(), Watch()
    overrides = [*INSTANCE, "model.generator.dropout=0"]
    fit(*overrides, callbacks=[cpu])
    fit(*overrides, callbacks=[gpu], accelerator="gpu", devices=1, precision=precision)
    tolerance = 1e-3 if precision == "32-true" else 3e-2
    for ours, theirs in zip(gpu.losses, cpu.losses, strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance)


@pytest.mark.slow
@gpu
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_networks_learn_on_a_gpu_as_they_are(fit, mode):
    overrides = [*INSTANCE, "model.generator.dropout=0"]
    options = {"accelerator": "gpu", "devices": 1, "max_steps": 8, "max_epochs": 2}
    plain, _ = fit(*overrides, **options)
    compiled, _ = fit(*overrides, f"model.compile={mode}", **options)
    assert_equal_weights(compiled.cpu().state_dict(), plain.cpu().state_dict(), atol=5e-3)


@gpu
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_an_overflow_on_a_gpu_skips_the_step_of_that_network_alone(fit, network):
    other = "discriminator" if network == "generator" else "generator"
    watch = Watch()
    options = {"accelerator": "gpu", "devices": 1, "precision": "16-mixed"}
    fit(*INSTANCE, callbacks=[Overflow(network, 1), watch], **options)
    assert not watch.moved(1, network)
    assert watch.moved(1, other)
