"""Arguments of the model that are refused before the first batch."""

import pytest
from hydra.errors import InstantiationException

from pix2pix_lit.errors import UserError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.ema_decay=1", "model.ema_decay is 1"),
        ("model.ema_decay=high", "model.ema_decay is 'high'"),
        ("model.compile=true", "model.compile is True; expected one of null, default"),
        ("model.discriminator_steps=0", "model.discriminator_steps is 0"),
        ("model.micro_batches=1.5", "model.micro_batches is 1.5"),
        ("model.gradient_clip.generator=0", "model.gradient_clip.generator is 0"),
        ("model.freeze=['nothing']", "model.freeze has 'nothing'"),
        ("model.diff_augment=[rotate]", "rotate"),
        ("model.pool_size=-1", "pool_size"),
        ("model.r1.weight=1", "set model.discriminator.norm=instance"),
        ("model/reconstruction=cross_entropy", "it takes class numbers"),
    ],
)
def test_wrong_values_are_refused(fit, override, message):
    with pytest.raises(InstantiationException) as caught:
        fit(override)
    assert message in str(caught.value.__cause__)


def test_all_weights_0_are_refused(fit):
    with pytest.raises(InstantiationException) as caught:
        fit("model.adversarial.weight=0", "model.reconstruction.weight=0")
    assert isinstance(caught.value.__cause__, UserError)
    assert "are 0" in str(caught.value.__cause__)


def test_gradient_penalty_with_batch_norm_is_refused(fit):
    with pytest.raises(InstantiationException) as caught:
        fit("model/adversarial=wgangp")
    assert "set model.discriminator.norm=instance" in str(caught.value.__cause__)


def test_feature_matching_without_a_discriminator_is_refused(fit):
    with pytest.raises(InstantiationException) as caught:
        fit("model.adversarial.weight=0", "model.feature_matching.weight=1")
    assert "no discriminator" in str(caught.value.__cause__)
