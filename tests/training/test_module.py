"""Pix2Pix: the training step against the formulas, counting, schedules, validation."""

import copy
import os
import signal

import lightning as L
import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf

from pix2pix_lit.callbacks import BestCheckpoint, GracefulStop, StepSeed
from pix2pix_lit.data.dataset import PairIndex
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.losses import LeastSquaresLoss, VanillaLoss
from pix2pix_lit.training.module import Pix2Pix

from ..trainers import silent_trainer


def build(compose_train, *overrides):
    """A small model and its data, from the project's own configs."""
    config = compose_train("model=unet128", *overrides)
    L.seed_everything(config.seed, verbose=False)
    return (
        instantiate(config.model, _recursive_=False, _convert_="all"),
        instantiate(config.data, _convert_="all"),
    )


def fit(model, datamodule, callbacks=(), ckpt_path=None, **options):
    trainer = silent_trainer(callbacks=list(callbacks), **{"max_epochs": 1} | options)
    trainer.fit(model, datamodule, ckpt_path=ckpt_path, weights_only=True)
    return trainer


class SeedBatches(Callback):
    """Makes the dropout of a batch known."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        torch.manual_seed(100 + batch_idx)


class Record(Callback):
    """Keeps the losses of each batch, and the discriminator's gradients after the last."""

    def __init__(self):
        self.logged = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.logged.append({f"loss/{name}": value.item() for name, value in outputs.items()})
        if pl_module.discriminator is not None:
            self.gradients = [parameter.grad.clone() for parameter in pl_module.discriminator.parameters()]


class HandWrittenAdam:
    """Kingma & Ba 2015, algorithm 1, for the parameters of one network."""

    def __init__(self, network, lr=2e-4, betas=(0.5, 0.999), epsilon=1e-8):
        self.parameters = list(network.parameters())
        self.lr, self.betas, self.epsilon, self.t = lr, betas, epsilon, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients):
        self.t += 1
        (b1, b2), t = self.betas, self.t
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g**2
            p -= self.lr * (self.m[i] / (1 - b1**t)) / ((self.v[i] / (1 - b2**t)).sqrt() + self.epsilon)


def criterion(kind, logits, is_real):
    """The two-sided losses of Goodfellow et al. 2014 and Mao et al. 2017, written out."""
    probability = 1 / (1 + torch.exp(-logits))
    if kind == "vanilla":
        return -(probability if is_real else 1 - probability).log().mean()
    return ((logits - float(is_real)) ** 2).mean()


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("kind", ["vanilla", "lsgan"])
def test_training_step_equals_the_step_written_out_by_hand(compose_train, norm, kind):
    steps = 3
    model, datamodule = build(
        compose_train,
        f"model/adversarial={kind}",
        f"model.generator.norm={norm}",
        f"model.discriminator.norm={norm}",
    )
    generator, discriminator = copy.deepcopy(model.generator).double(), copy.deepcopy(model.discriminator).double()

    record = Record()
    fit(model, datamodule, [SeedBatches(), record], max_steps=steps, precision="64-true")

    adam_g, adam_d = HandWrittenAdam(generator), HandWrittenAdam(discriminator)
    datamodule.setup("fit")
    batches = iter(datamodule.train_dataloader())
    for step in range(steps):
        batch = next(batches)
        input, target = (batch[side].double() / 127.5 - 1 for side in ("input", "target"))
        torch.manual_seed(100 + step)
        fake = generator.train()(input)

        d_fake = criterion(kind, discriminator(input, fake.detach())[0].logits, is_real=False)
        d_real = criterion(kind, discriminator(input, target)[0].logits, is_real=True)
        d_gradients = torch.autograd.grad(0.5 * (d_fake + d_real), list(discriminator.parameters()))
        adam_d.step(d_gradients)

        g_adversarial = criterion(kind, discriminator(input, fake)[0].logits, is_real=True)
        g_reconstruction = (fake - target).abs().mean()
        g_gradients = torch.autograd.grad(g_adversarial + 100 * g_reconstruction, list(generator.parameters()))
        adam_g.step(g_gradients)

        expected = {
            "loss/D_fake": d_fake,
            "loss/D_real": d_real,
            "loss/G_adversarial": g_adversarial,
            "loss/G_reconstruction": g_reconstruction,
        }
        assert record.logged[step] == pytest.approx({name: loss.item() for name, loss in expected.items()}, abs=1e-6)

    # What the discriminator's gradients are after the step shows that the generator's loss left nothing in them.
    for ours, by_hand in zip(record.gradients, d_gradients, strict=True):
        torch.testing.assert_close(ours, by_hand, atol=1e-6, rtol=0)
    for ours, by_hand in ((model.generator, generator), (model.discriminator, discriminator)):
        for name, value in by_hand.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name].to(value), value, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("kind", ["hinge", "wgangp"])
def test_other_adversarial_losses_train_both_networks(compose_train, kind):
    model, datamodule = build(compose_train, f"model/adversarial={kind}", "model.discriminator.norm=instance")
    before = copy.deepcopy(model.state_dict())
    record = Record()
    fit(model, datamodule, [record], max_steps=2)
    assert all(np.isfinite(list(logged.values())).all() for logged in record.logged)
    assert ("loss/D_penalty" in record.logged[0]) == (kind == "wgangp")
    for network in ("generator.encoder.0.conv.weight", "discriminator.blocks.0.0.weight"):
        assert not torch.equal(before[network], model.state_dict()[network])


def test_a_batch_counts_as_one_step_however_many_optimizers_move(compose_train):
    model, datamodule = build(compose_train)
    trainer = fit(model, datamodule, max_epochs=2)
    assert trainer.global_step == 2 * len(datamodule.train_dataloader())


def test_max_steps_counts_batches(compose_train):
    model, datamodule = build(compose_train)
    record = Record()
    trainer = fit(model, datamodule, [record], max_steps=3)
    assert trainer.global_step == len(record.logged) == 3


def test_adversarial_weight_0_trains_without_a_discriminator(compose_train):
    model, datamodule = build(compose_train, "model.adversarial.weight=0")
    record = Record()
    trainer = fit(model, datamodule, [record], max_steps=2)
    assert model.discriminator is None
    assert len(trainer.optimizers) == 1
    assert record.logged[0].keys() == {"loss/G_reconstruction"}
    assert trainer.global_step == 2


def test_reconstruction_weight_0_trains_by_the_discriminator_alone(compose_train):
    model, datamodule = build(compose_train, "model.reconstruction.weight=0")
    record = Record()
    fit(model, datamodule, [record], max_steps=1)
    assert record.logged[0].keys() == {"loss/D_fake", "loss/D_real", "loss/G_adversarial"}


def test_gradient_penalty_works_in_bf16(compose_train):
    model, datamodule = build(compose_train, "model/adversarial=wgangp", "model.discriminator.norm=instance")
    record = Record()
    fit(model, datamodule, [record], max_steps=1, precision="bf16-mixed")
    assert np.isfinite(record.logged[0]["loss/D_penalty"])


class RecordRates(Callback):
    def __init__(self):
        self.rates = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])


def test_learning_rates_stay_and_then_decay_linearly(compose_train):
    model, datamodule = build(
        compose_train,
        "model.schedule.constant_epochs=2",
        "model.schedule.decay_epochs=3",
        "model.generator_optimizer.lr=1e-4",
        "model.discriminator_optimizer.lr=4e-4",
    )
    record = RecordRates()
    fit(model, datamodule, [record], max_epochs=5, limit_train_batches=1, limit_val_batches=0)
    factors = [1, 1, 3 / 4, 2 / 4, 1 / 4]  # three equal steps towards 0, which would be reached one epoch later
    assert np.array(record.rates) == pytest.approx(np.outer(factors, [1e-4, 4e-4]))


def test_training_beyond_the_schedule_is_refused(compose_train):
    model, datamodule = build(compose_train, "model.schedule.constant_epochs=1", "model.schedule.decay_epochs=1")
    with pytest.raises(UserError, match="max_epochs=3 is beyond the end"):
        fit(model, datamodule, max_epochs=3)


def test_training_beyond_the_schedule_is_refused_when_only_steps_are_limited(compose_train):
    model, datamodule = build(compose_train, "model.schedule.constant_epochs=1", "model.schedule.decay_epochs=1")
    record = RecordRates()
    with pytest.raises(UserError, match="is beyond the end"):
        fit(model, datamodule, [record], max_epochs=-1, max_steps=100, limit_train_batches=1)
    assert [rates[0] for rates in record.rates] == pytest.approx([2e-4, 1e-4])  # refused as the third begins


def test_max_steps_ends_with_a_validation_and_a_best_checkpoint(compose_train, tmp_path):
    model, datamodule = build(compose_train)
    best = BestCheckpoint(str(tmp_path), "val/psnr")
    trainer = fit(model, datamodule, [best], max_steps=3, enable_checkpointing=True)
    assert trainer.global_step == torch.load(tmp_path / "best.ckpt")["global_step"] == 3
    assert best.best_model_score == trainer.callback_metrics["val/psnr"]


def test_validation_is_the_mean_over_all_images_in_inference_mode(compose_train):
    model, datamodule = build(compose_train, "data.source.val_length=5", "data.val_batch_size=2")
    trainer = fit(model, datamodule, max_steps=2, limit_val_batches=1.0, val_check_interval=2)
    model.eval()
    l1, psnr = [], []
    for index in range(5):
        pair = datamodule.val_pairs[[PairIndex(0, index)]]
        with torch.no_grad():
            fake = model(RGB.to_network(pair["input"]))
        difference = (fake - RGB.to_network(pair["target"])).double()
        l1.append(difference.abs().mean().item())
        psnr.append(10 * np.log10(1 / (difference / 2).square().mean().item()))
    assert trainer.callback_metrics["val/l1"].item() == pytest.approx(np.mean(l1), rel=1e-4)
    assert trainer.callback_metrics["val/psnr"].item() == pytest.approx(np.mean(psnr), rel=1e-4)


class InterruptWithin(Callback):
    """Sends SIGINT when the discriminator of a step is about to move."""

    def __init__(self, step):
        self.step = step

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if trainer.global_step == self.step - 1 and optimizer is trainer.optimizers[1]:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_run_resumed_anywhere_equals_the_uninterrupted_one(compose_train, tmp_path, save_at):
    def run(callbacks, ckpt_path=None, num_workers=0):
        model, datamodule = build(compose_train, f"data.num_workers={num_workers}")
        callbacks = [StepSeed(seed=0), *callbacks]
        return model, fit(model, datamodule, callbacks, ckpt_path, max_epochs=2, num_sanity_val_steps=2)

    steps = {1: 2, 3: 0, 4: 2, 6: 0}  # with the number of workers; 4 steps an epoch
    paths = {step: tmp_path / f"{step}.ckpt" for step in steps}
    uninterrupted, _ = run([save_at(step, path) for step, path in paths.items()])

    def assert_resumes_exactly(path, num_workers):
        resumed, trainer = run([], path, num_workers)
        assert trainer.global_step == 8
        for name, value in uninterrupted.state_dict().items():
            assert torch.equal(resumed.state_dict()[name], value), name

    for step, num_workers in steps.items():
        assert_resumes_exactly(paths[step], num_workers)

    # Stopped by Ctrl-C in the middle of each of these steps, one after the other.
    former_handler = signal.getsignal(signal.SIGINT)
    stopped = None
    for step, num_workers in steps.items():
        path = tmp_path / f"stopped_{step}.ckpt"
        with pytest.raises(SystemExit):
            run([InterruptWithin(step), GracefulStop(str(path))], stopped, num_workers)
        assert signal.getsignal(signal.SIGINT) == former_handler
        assert torch.load(path)["global_step"] == step
        stopped = path
    assert_resumes_exactly(stopped, 0)


def test_bf16_trains_and_validates_with_finite_numbers(compose_train):
    model, datamodule = build(compose_train)
    trainer = fit(model, datamodule, precision="bf16-mixed", log_every_n_steps=1)
    assert {name for name, value in trainer.callback_metrics.items() if torch.isfinite(value)} >= {
        "loss/D_real",
        "val/l1",
    }
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_a_validation_logs_the_chosen_metrics_alone(compose_train):
    config = compose_train("metrics.ssim=null", "metrics.lpips=null", "metrics.kid_efflite0=null")
    model = instantiate(
        config.model, metrics=OmegaConf.to_container(config.metrics), _recursive_=False, _convert_="all"
    )
    trainer = fit(model, instantiate(config.data, _convert_="all"), max_steps=1)
    assert {name for name in trainer.callback_metrics if name.startswith("val/")} == {"val/l1", "val/psnr"}
    assert "metrics" not in model.hparams  # they do not change training


@pytest.mark.parametrize(
    "spec", [3, {"_target_": "pix2pix_lit.metrics.l1.L1"}, {"_target_": "pix2pix_lit.losses.L1Loss", "weight": 1.0}]
)
def test_what_is_no_metric_of_its_name_is_refused(compose_train, spec):
    config = compose_train()
    with pytest.raises(InstantiationException, match="metrics.ssim is .*expected null, or _target_"):
        instantiate(config.model, metrics={"ssim": spec}, _recursive_=False, _convert_="all")


def test_a_checkpoint_loads_by_lightnings_own_method_also_with_the_losses_of_0_1_0(compose_train, tmp_path, save_at):
    model, datamodule = build(compose_train, "model.reconstruction.weight=7")
    fit(model, datamodule, [save_at(1, tmp_path / "new.ckpt")], max_steps=1)
    checkpoint = torch.load(tmp_path / "new.ckpt")
    hyper_parameters = checkpoint["hyper_parameters"]
    hyper_parameters |= {"adversarial": {"kind": "lsgan", "weight": 1.0, "real_label": 1.0, "r1": 0.0, "r1_every": 16}}
    hyper_parameters |= {"reconstruction": {"kind": "l1", "weight": 7.0, "epsilon": 0.001}}
    hyper_parameters |= {"feature_matching": {"weight": 0.0}, "perceptual": {"weight": 0.0}}
    del hyper_parameters["r1"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    for name, loss in (("new", VanillaLoss), ("old", LeastSquaresLoss)):
        loaded = Pix2Pix.load_from_checkpoint(tmp_path / f"{name}.ckpt", map_location="cpu")
        assert type(loaded.losses["adversarial"]) is loss
        assert loaded.losses["reconstruction"].weight == 7
        assert list(loaded.val_metrics.named()) == ["l1", "psnr", "ssim"]
        assert all(map(torch.equal, loaded.state_dict().values(), model.state_dict().values()))
