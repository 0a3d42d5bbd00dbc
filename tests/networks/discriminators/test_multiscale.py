"""The multi-scale discriminator and the outputs of a batch."""

import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import DiscriminatorOutput, MultiScalePatchGAN, PatchGAN, split_outputs


def test_each_scale_is_a_patchgan_of_the_image_at_half_the_resolution_of_the_one_before():
    torch.manual_seed(0)
    discriminator = MultiScalePatchGAN(2, 3, width=4, layers=1, norm="instance", scales=3)
    input, image = torch.randn(2, 2, 33, 48), torch.randn(2, 3, 33, 48)
    output = discriminator(input, image)
    assert len(output) == 3
    for scale, network in zip(output, discriminator.discriminators, strict=True):
        (expected,) = network(input, image)
        assert torch.equal(scale.logits, expected.logits)
        input, image = (F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) for x in (input, image))


def test_a_constant_image_stays_constant_at_every_scale():
    seen = []
    discriminator = MultiScalePatchGAN(width=2, layers=0, scales=3)
    for network in discriminator.discriminators:
        network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1]))
    discriminator(*torch.ones(2, 1, 3, 20, 20))
    assert [tuple(image.shape[-2:]) for image in seen] == [(20, 20), (10, 10), (5, 5)]
    for image in seen:
        torch.testing.assert_close(image, torch.ones_like(image))


def test_networks_of_the_scales_are_built_as_asked_for_and_share_no_weights():
    discriminator = MultiScalePatchGAN(2, 5, False, 4, 2, "none", True, True, scales=2)
    one, other = discriminator.discriminators
    plain = PatchGAN(2, 5, False, 4, 2, "none", True, True)
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in one.state_dict().items()} == shapes
    assert one.activation_checkpointing
    assert not set(one.parameters()) & set(other.parameters())


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_images_below_the_smallest_side_are_refused(scales):
    discriminator = MultiScalePatchGAN(width=2, layers=2, scales=scales)
    side = discriminator.smallest_side
    assert discriminator(*torch.zeros(2, 1, 3, side, side))[-1].logits.shape == (1, 1, 1, 1)
    with pytest.raises(UserError, match=f"image is {side - 1}x{side} .* of {scales} scales .* {side}x{side}"):
        discriminator(*torch.zeros(2, 1, 3, side - 1, side))


def test_no_scale_is_refused():
    with pytest.raises(UserError, match="scales is 0"):
        MultiScalePatchGAN(scales=0)


def test_outputs_of_a_batch_are_split_into_its_halves():
    torch.manual_seed(0)
    discriminator = MultiScalePatchGAN(width=4, layers=1, norm="instance")
    input, image = torch.randn(2, 4, 3, 32, 32)
    for part, half in zip(split_outputs(discriminator(input, image)), (slice(2), slice(2, None)), strict=True):
        expected = discriminator(input[half], image[half])
        assert [type(scale) for scale in part] == [DiscriminatorOutput, DiscriminatorOutput]
        for ours, theirs in zip(part, expected, strict=True):
            torch.testing.assert_close(ours.logits, theirs.logits)
            torch.testing.assert_close(ours.features, theirs.features)
