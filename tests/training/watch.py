"""What tests of training compare: every batch's losses and weights."""

import copy

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision

INSTANCE = ("model.generator.norm=instance", "model.discriminator.norm=instance")


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


def with_scaler(scale=2.0**10):
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]


class Overflow(Callback):
    """Makes a gradient of one network infinite in one step."""

    def __init__(self, network, step):
        self.network, self.step = network, step

    def on_train_start(self, trainer, pl_module):
        parameter = next(getattr(pl_module, self.network).parameters())
        parameter.register_hook(lambda grad: grad + (torch.inf if trainer.global_step == self.step else 0))
