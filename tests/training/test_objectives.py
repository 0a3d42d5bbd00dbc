"""The terms of the two objectives in training."""

import torch
from hydra.utils import instantiate

from pix2pix_lit.training.micro_batch import MicroBatch

from .watch import INSTANCE, Watch


def test_r1_is_added_in_every_kth_step(fit):
    watch = Watch()
    fit("model.r1.weight=10", "model.r1.every=2", *INSTANCE, callbacks=[watch], max_steps=4)
    assert ["D_r1" in losses for losses in watch.losses] == [True, False, True, False]
    assert watch.losses[0]["D_r1"] > 0
    free = Watch()
    fit(*INSTANCE, callbacks=[free], max_steps=1)
    assert watch.losses[0]["D_real"] == free.losses[0]["D_real"]
    assert not torch.equal(watch.after[0]["discriminator.head.weight"], free.after[0]["discriminator.head.weight"])


def test_smoothed_labels_change_the_discriminators_loss_only(fit):
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
    _, terms = model.generator_loss(MicroBatch(input, target, fake=target.clone().requires_grad_()))
    assert terms["G_feature_matching"] == 0
