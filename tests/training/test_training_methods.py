"""What the paper does not have: every method on its own, against its formula where it has one."""

import copy
import functools

import lightning as L
import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision

from pix2pix_lit.callbacks import StepSeed
from pix2pix_lit.errors import UserError
from pix2pix_lit.training.micro_batch import MicroBatch

INSTANCE = ("model.generator.norm=instance", "model.discriminator.norm=instance")


@pytest.fixture
def fit(compose_train):
    """Train a small model as these overrides say; returns model and trainer."""

    def fit_model(*overrides, callbacks=(), ckpt_path=None, **options):
        config = compose_train(*overrides)
        L.seed_everything(config.seed, verbose=False)
        model = instantiate(config.model, _recursive_=False, _convert_="all")
        trainer = L.Trainer(
            **{"max_steps": 3, "enable_checkpointing": False, "accelerator": "cpu"} | options,
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[StepSeed(seed=0), *callbacks],
        )
        trainer.fit(model, instantiate(config.data, _convert_="all"), ckpt_path=ckpt_path, weights_only=True)
        return model, trainer

    return fit_model


class Watch(Callback):
    """Keeps every batch's losses, and the networks before and after it."""

    def __init__(self):
        self.losses, self.before, self.after = [], [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.before.append(copy.deepcopy(pl_module.state_dict()))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append({name: value.item() for name, value in outputs.items()})
        self.after.append(copy.deepcopy(pl_module.state_dict()))

    def moved(self, step, network):
        names = [name for name in self.before[step] if name.startswith(f"{network}.") and "weight" in name]
        return any(not torch.equal(self.before[step][name], self.after[step][name]) for name in names)


def gradient_of(watch, step, network, learning_rate=0.5):
    """The gradient that plain descent followed in a step, as one vector."""
    names = [name for name in watch.before[step] if name.startswith(f"{network}.") and "running" not in name]
    return torch.cat(
        [
            ((watch.before[step][name].double() - watch.after[step][name].double()) / learning_rate).flatten()
            for name in names
            if watch.before[step][name].is_floating_point()
        ]
    )


def assert_equal_weights(ours, theirs, atol=0.0):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=atol, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("norm", ["none", "instance"])
@pytest.mark.parametrize("parts", [2, 4, 3])
def test_micro_batches_add_up_to_the_whole_batch(fit, norm, parts):
    overrides = [
        f"model.generator.norm={norm}",
        f"model.discriminator.norm={norm}",
        "model.generator.dropout=0",
        "data.batch_size=4",
        "model.feature_matching.weight=10",
    ]
    whole, _ = fit(*overrides, precision="64-true")
    divided, _ = fit(*overrides, f"model.micro_batches={parts}", precision="64-true")
    assert_equal_weights(divided.state_dict(), whole.state_dict(), atol=1e-9)


def test_micro_batches_draw_the_fake_that_the_discriminator_saw_again_and_count_its_statistics_once(fit):
    class Keep(Callback):
        def __init__(self):
            self.fakes, self.counts = [], []

        def on_train_start(self, trainer, pl_module):
            pl_module.generator.register_forward_hook(lambda module, args, fake: self.fakes.append(fake.detach()))

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.counts.append(pl_module.generator.decoder[0].norm.num_batches_tracked.item())

    keep = Keep()
    fit("data.batch_size=4", "model.micro_batches=2", callbacks=[keep], max_steps=2, limit_val_batches=0)
    for first, second, again_first, again_second in (keep.fakes[:4], keep.fakes[4:8]):
        assert torch.equal(first, again_first)
        assert torch.equal(second, again_second)
    assert keep.counts == [2, 4]


def test_more_micro_batches_than_images_are_refused(fit):
    with pytest.raises(UserError, match="model.micro_batches=3 cannot divide a batch of 2"):
        fit("model.micro_batches=3")


def with_scaler(scale=2.0**10):
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]


@pytest.mark.parametrize("fused", ["false", "true"])
@pytest.mark.parametrize("options", [{}, {"precision": "bf16-mixed"}, {"plugins": with_scaler()}])
def test_gradients_are_clipped_for_each_network_by_itself_after_unscaling(fit, fused, options):
    overrides = [*INSTANCE]
    for optimizer in ("model.generator_optimizer", "model.discriminator_optimizer"):
        descent = {"_target_": "torch.optim.SGD", "lr": 0.5, "fused": fused}
        overrides += [f"~{optimizer}.betas", *(f"{optimizer}.{key}={value}" for key, value in descent.items())]
    free, clipped = Watch(), Watch()
    fit(*overrides, callbacks=[free], max_steps=1, **copy.deepcopy(options))
    limit = gradient_of(free, 0, "generator").norm().item() / 4
    _, trainer = fit(
        *overrides,
        f"model.gradient_clip.generator={limit}",
        callbacks=[clipped],
        max_steps=1,
        log_every_n_steps=1,
        **copy.deepcopy(options),
    )
    tolerance = 1e-3 if options else 1e-5
    assert gradient_of(clipped, 0, "generator").norm().item() == pytest.approx(limit, rel=tolerance)
    assert trainer.callback_metrics["gradient_norm/generator"].item() == pytest.approx(4 * limit, rel=tolerance)
    torch.testing.assert_close(
        gradient_of(clipped, 0, "discriminator"), gradient_of(free, 0, "discriminator"), atol=1e-6, rtol=0
    )
    assert "gradient_norm/discriminator" not in trainer.callback_metrics


class Overflow(Callback):
    """Makes a gradient of one network infinite in one step."""

    def __init__(self, network, step):
        self.network, self.step = network, step

    def on_train_start(self, trainer, pl_module):
        parameter = next(getattr(pl_module, self.network).parameters())
        parameter.register_hook(lambda grad: grad + (torch.inf if trainer.global_step == self.step else 0))


@pytest.mark.parametrize("fused", ["false", "true"])
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_an_overflow_skips_the_step_of_that_network_alone_and_halves_the_scale(fit, network, fused):
    other = "discriminator" if network == "generator" else "generator"
    overrides = [*INSTANCE, *(f"model.{name}_optimizer.fused={fused}" for name in (network, other))]
    watch, free = Watch(), Watch()
    _, trainer = fit(*overrides, callbacks=[Overflow(network, 1), watch], plugins=with_scaler(1024.0))
    fit(*overrides, callbacks=[free], plugins=with_scaler(1024.0))
    assert [watch.moved(step, network) for step in range(3)] == [True, False, True]
    assert [watch.moved(step, other) for step in range(3)] == [True, True, True]
    assert trainer.precision_plugin.scaler.get_scale() == 512
    assert trainer.global_step == 3
    assert_equal_weights(watch.after[0], free.after[0])
    if network == "generator":  # the discriminator's step is over by then: it is what it would have been
        for name, value in free.after[1].items():
            if name.startswith("discriminator.") and "running" not in name:
                assert torch.equal(watch.after[1][name], value), name


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_of_16_bits_are_refused_for_training_with_the_reason(fit, precision):
    with pytest.raises(UserError, match=f"trainer.precision is {precision}; .*lost to rounding.*set .*bf16-mixed"):
        fit(precision=precision)


def test_the_moving_average_follows_the_generator_and_is_what_is_validated_and_loaded(fit, tmp_path):
    from pix2pix_lit.formats import load_generator

    watch = Watch()
    model, trainer = fit("model.ema_decay=0.6", callbacks=[watch], max_steps=6)
    name = "encoder.1.conv.weight"
    expected = watch.before[0][f"generator.{name}"]
    for step in range(6):
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * watch.after[step][f"generator.{name}"]
    torch.testing.assert_close(model.state_dict()[f"generator_ema.{name}"], expected, atol=1e-7, rtol=0)
    assert not torch.equal(expected, model.state_dict()[f"generator.{name}"])

    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded, _ = load_generator(tmp_path / "a.ckpt")
    assert torch.equal(loaded.state_dict()[name], model.state_dict()[f"generator_ema.{name}"])

    # What was validated last is the average, in inference mode.
    datamodule = trainer.datamodule
    differences = []
    with torch.no_grad():
        for batch in datamodule.val_dataloader():
            fake = loaded(model.input_type.to_network(batch["input"]))
            differences.append((fake - model.target_type.to_network(batch["target"])).abs().mean().item())
    assert trainer.callback_metrics["val/l1"].item() == pytest.approx(np.mean(differences), rel=1e-4)


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


def test_frozen_parameters_stay_and_all_others_move(fit):
    watch = Watch()
    fit("model.freeze=['generator.encoder.*']", callbacks=[watch], max_steps=1)
    for name, value in watch.before[0].items():
        if name.endswith("weight"):
            assert torch.equal(value, watch.after[0][name]) == name.startswith("generator.encoder."), name


def test_freezing_all_of_a_network_is_refused(fit):
    with pytest.raises(InstantiationException) as caught:
        fit("model.freeze=['discriminator.*']")
    assert "leaves nothing of the discriminator to learn" in str(caught.value.__cause__)


def test_r1_is_taken_in_every_kth_step_and_added(fit):
    watch = Watch()
    fit("model.adversarial.r1=10", "model.adversarial.r1_every=2", *INSTANCE, callbacks=[watch], max_steps=4)
    assert ["D_r1" in losses for losses in watch.losses] == [True, False, True, False]
    assert watch.losses[0]["D_r1"] > 0
    free = Watch()
    fit(*INSTANCE, callbacks=[free], max_steps=1)
    assert watch.losses[0]["D_real"] == free.losses[0]["D_real"]
    assert not torch.equal(watch.after[0]["discriminator.head.weight"], free.after[0]["discriminator.head.weight"])


def test_smoothed_labels_reach_the_discriminators_loss_alone(fit):
    plain, smooth = Watch(), Watch()
    fit(callbacks=[plain], max_steps=1, max_epochs=1)
    fit("model.adversarial.real_label=0.9", callbacks=[smooth], max_steps=1, max_epochs=1)
    assert smooth.losses[0]["D_real"] != plain.losses[0]["D_real"]
    assert smooth.losses[0]["D_fake"] == plain.losses[0]["D_fake"]


def test_the_pool_shows_the_discriminator_earlier_fakes_but_never_the_generator(fit):
    watch, free = Watch(), Watch()
    fit("model.pool_size=2", callbacks=[watch], max_steps=8, max_epochs=3)
    fit(callbacks=[free], max_steps=8, max_epochs=3)
    same = [a["D_fake"] == b["D_fake"] for a, b in zip(watch.losses, free.losses, strict=True)]
    assert same[0]  # while the pool fills, fakes pass through
    assert not all(same)


def test_feature_matching_is_0_only_for_the_target_itself(fit):
    watch = Watch()
    fit("model.feature_matching.weight=10", callbacks=[watch], max_steps=2)
    assert all(losses["G_feature_matching"] > 0 for losses in watch.losses)
    free = Watch()
    fit(callbacks=[free], max_steps=2)
    assert watch.losses[0]["G_adversarial"] == free.losses[0]["G_adversarial"]
    for name in free.after[1]:  # nor does a look at the target move running statistics
        if name.startswith("discriminator") and "running_mean" in name:
            assert torch.equal(watch.after[0][name], free.after[0][name]), name


def test_feature_matching_compares_images_that_were_augmented_alike(compose_train):
    config = compose_train("model.feature_matching.weight=10", "model.diff_augment=[color,translation,cutout]")
    model = instantiate(config.model, _recursive_=False, _convert_="all")
    input, target = torch.rand(2, 2, 3, 32, 32)
    _, terms = model._paint(MicroBatch(input, target, fake=target.clone().requires_grad_()))
    assert terms["G_feature_matching"] == 0


def test_feature_matching_without_a_discriminator_is_refused(fit):
    with pytest.raises(InstantiationException) as caught:
        fit("model.adversarial.weight=0", "model.feature_matching.weight=1")
    assert "no features to match" in str(caught.value.__cause__)


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
        "model.adversarial.r1=1",
        "model.adversarial.r1_every=3",
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


@pytest.mark.parametrize("method", METHODS)
def test_a_run_with_this_method_learns_and_resumes_exactly(fit, tmp_path, save_at, method):
    save, watch = save_at(3, tmp_path / "a.ckpt"), Watch()
    whole, _ = fit(*METHODS[method], callbacks=[save, watch], max_steps=6, max_epochs=3)
    assert all(np.isfinite(list(losses.values())).all() for losses in watch.losses)
    assert watch.moved(1, "generator")
    assert watch.moved(0, "discriminator")
    resumed, _ = fit(*METHODS[method], ckpt_path=tmp_path / "a.ckpt", max_steps=6, max_epochs=3)
    assert_equal_weights(resumed.state_dict(), whole.state_dict())


def test_compiled_networks_keep_their_names_and_follow_the_same_maths(fit, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    plain, _ = fit()
    compiled, _ = fit("model.compile=default")
    assert compiled.generator._compiled_call_impl is not None
    assert compiled.discriminator._compiled_call_impl is not None
    assert_equal_weights(compiled.state_dict(), plain.state_dict(), atol=1e-5)
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.ema_decay=1", "model.ema_decay is 1"),
        ("model.ema_decay=high", "model.ema_decay is 'high'"),
        ("model.compile=true", "model.compile is True; expected null or one of default"),
        ("model.discriminator_steps=0", "model.discriminator_steps is 0"),
        ("model.micro_batches=1.5", "model.micro_batches is 1.5"),
        ("model.gradient_clip.generator=0", "model.gradient_clip.generator is 0"),
        ("model.freeze=['nothing']", "model.freeze has 'nothing'"),
        ("model.diff_augment=[rotate]", "rotate"),
        ("model.pool_size=-1", "pool_size"),
        ("model.adversarial.r1=1", "set model.discriminator.norm=instance"),
    ],
)
def test_wrong_values_are_refused(fit, override, message):
    with pytest.raises(InstantiationException) as caught:
        fit(override)
    assert message in str(caught.value.__cause__)


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
