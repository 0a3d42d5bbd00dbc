"""Frozen parameters, and the moving average of the generator's weights."""

import copy

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN, UNetGenerator
from pix2pix_lit.training.weights import freeze, update_moving_average

from .watch import Watch


def build():
    generator = UNetGenerator(width=4, depth=3, dropout_blocks=[])
    return nn.ModuleDict({"generator": generator, "discriminator": PatchGAN(width=4, layers=1)})


def test_patterns_name_what_is_frozen():
    model = build()
    freeze(model, ["generator.encoder.*", "discriminator.head.bias"])
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith("generator.encoder.")} | {
        "discriminator.head.bias"
    }
    assert len(frozen) > 3


def test_a_pattern_that_names_nothing_is_refused():
    with pytest.raises(UserError, match="'encoder.*', which matches no parameter.*generator.encoder.0"):
        freeze(build(), ["encoder.*"])


def test_moving_average_follows_its_formula():
    torch.manual_seed(0)
    network = nn.BatchNorm1d(2)
    average = copy.deepcopy(network).requires_grad_(False)
    expected = average.weight.double()
    for step in range(30):
        with torch.no_grad():
            network.weight += torch.rand(2)
            network.running_mean += 1
        update_moving_average(average, network, 0.7, step)
        decay = min(0.7, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.weight.detach().double()
    assert decay == 0.7
    torch.testing.assert_close(average.weight.double(), expected, atol=1e-5, rtol=0)
    assert torch.equal(average.running_mean, network.running_mean)
    assert average.num_batches_tracked == network.num_batches_tracked
    assert not average.weight.requires_grad


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
