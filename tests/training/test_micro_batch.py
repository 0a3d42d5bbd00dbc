"""Batches processed in parts."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from pix2pix_lit.errors import UserError

from .watch import assert_equal_weights


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "instance"])
def test_micro_batches_add_up_to_the_full_batch(fit, norm):
    overrides = [
        f"model.generator.norm={norm}",
        f"model.discriminator.norm={norm}",
        "model.generator.dropout=0",
        "data.batch_size=4",
        "model.feature_matching.weight=10",
    ]
    options = {"precision": "64-true", "max_steps": 2, "limit_val_batches": 0}
    full, _ = fit(*overrides, **options)
    for parts in (2, 4, 3):
        divided, _ = fit(*overrides, f"model.micro_batches={parts}", **options)
        assert_equal_weights(divided.state_dict(), full.state_dict(), atol=1e-9)


def test_micro_batches_regenerate_the_fake_that_the_discriminator_saw_and_update_statistics_once(fit):
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
