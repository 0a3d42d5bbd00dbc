"""The feature matching term."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.losses import FeatureMatchingLoss
from pix2pix_lit.networks import DiscriminatorOutput, MultiScalePatchGAN


def output(*features):
    return DiscriminatorOutput(torch.zeros(1, 1, 1, 1), list(features))


def test_every_feature_map_counts_alike_whatever_its_size_and_scales_are_averaged():
    large, middle, small = torch.ones(1, 2, 8, 8), torch.ones(1, 4, 4, 4), torch.ones(1, 1, 2, 2)
    fake = [output(large, -3 * middle), output(small)]
    real = [output(0 * large, 2 * middle), output(small)]
    assert FeatureMatchingLoss(10)(fake, real).item() == pytest.approx((1 + 5 + 0) / 2)


def test_gradients_reach_the_fake_alone():
    discriminator = MultiScalePatchGAN(width=4, layers=1)
    input, fake, real = torch.randn(3, 2, 3, 32, 32)
    fake.requires_grad_(True)
    real.requires_grad_(True)
    FeatureMatchingLoss(1)(discriminator(input, fake), discriminator(input, real)).backward()
    assert fake.grad.abs().sum() > 0
    assert real.grad is None


def test_features_in_half_precision_are_compared_in_float32():
    fake, real = torch.randn(2, 1, 4, 16, 16).bfloat16()
    value = FeatureMatchingLoss(1)([output(fake)], [output(real)])
    torch.testing.assert_close(value, (fake.float() - real.float()).abs().mean())


def test_outputs_of_different_numbers_of_scales_are_refused():
    one = output(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="zip"):
        FeatureMatchingLoss(1)([one], [one, one])


def test_a_negative_weight_is_refused():
    with pytest.raises(UserError, match="feature_matching.weight is -1"):
        FeatureMatchingLoss(-1)
