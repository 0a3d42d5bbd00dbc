"""Warm starts."""

import copy

import pytest
import torch
from torch import nn

from pix2pix_lit.checkpoints.warm_start import warm_start
from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN, UNetGenerator


class Model(nn.Module):
    def __init__(self, in_channels=3, width=4, has_ema=False, layers=1):
        super().__init__()
        self.generator = UNetGenerator(in_channels=in_channels, width=width, depth=3, dropout_blocks=[])
        self.discriminator = PatchGAN(in_channels=in_channels, width=width, layers=layers)
        self.generator_ema = copy.deepcopy(self.generator) if has_ema else None


@pytest.fixture
def stored(tmp_path):
    """A model with three input channels and an average of its own, and its checkpoint."""
    torch.manual_seed(0)
    model = Model(has_ema=True)
    with torch.no_grad():
        for parameter in model.generator_ema.parameters():
            parameter += 1
    torch.save({"state_dict": model.state_dict()}, tmp_path / "a.ckpt")
    return model, tmp_path / "a.ckpt"


@pytest.mark.parametrize("has_ema", [False, True])
def test_a_model_of_the_same_kind_starts_from_all_weights_and_the_average(stored, has_ema):
    theirs, path = stored
    model = Model(has_ema=has_ema)
    warm_start(model, path)
    for name, value in model.discriminator.state_dict().items():
        assert torch.equal(value, theirs.discriminator.state_dict()[name])
    for network in (model.generator, model.generator_ema) if has_ema else (model.generator,):
        for name, value in network.state_dict().items():
            assert torch.equal(value, theirs.generator_ema.state_dict()[name])


def test_without_an_average_the_generator_itself_is_used(tmp_path):
    theirs, model = Model(), Model(has_ema=True)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "a.ckpt")
    warm_start(model, tmp_path / "a.ckpt")
    for network in (model.generator, model.generator_ema):
        assert torch.equal(network.encoder[0].conv.weight, theirs.generator.encoder[0].conv.weight)


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_both_have_are_taken_and_others_stay(stored, channels, caplog):
    theirs, path = stored
    model = Model(in_channels=channels)
    before = copy.deepcopy(model)
    caplog.set_level("INFO")
    warm_start(model, path)
    weight, stored_weight = model.generator.encoder[0].conv.weight, theirs.generator_ema.encoder[0].conv.weight
    common = min(channels, 3)
    assert torch.equal(weight[:, :common], stored_weight[:, :common])
    assert torch.equal(weight[:, common:], before.generator.encoder[0].conv.weight[:, common:])
    # The discriminator sees input and image side by side: its channels mean others.
    first = model.discriminator.blocks[0][0].weight
    assert torch.equal(first, before.discriminator.blocks[0][0].weight)
    assert f"generator.encoder.0.conv.weight (4, 3, 4, 4) -> (4, {channels}, 4, 4)" in caplog.text
    assert "at their initial values: discriminator.blocks.0.0.weight" in caplog.text


def test_a_checkpoint_without_any_of_the_names_is_refused(tmp_path):
    torch.save({"state_dict": {"net.weight": torch.zeros(1)}}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="no tensor of this model .it has net.weight."):
        warm_start(Model(), tmp_path / "a.ckpt")
    torch.save({"epoch": 1}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="holds no weights"):
        warm_start(Model(), tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="does not exist"):
        warm_start(Model(), tmp_path / "b.ckpt")
