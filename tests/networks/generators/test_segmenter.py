"""The segmentation network."""

import pytest
import torch

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import Generator, Segmenter
from pix2pix_lit.networks.layers.init import initialize


def test_parameter_count_follows_from_the_layers():
    channels, width, classes = (24, 40, 112, 320), 96, 20
    laterals = sum(width * (count + 1) for count in channels)
    smoothing = len(channels) * (9 * width * width + 2 * width)
    refinement = 9 * (width + 16) * 32 + 2 * 32
    parameters = 2_958_848 + laterals + smoothing + refinement + classes * (32 + 1)
    assert sum(parameter.numel() for parameter in Segmenter(3, classes, width).parameters()) == parameters


def test_scores_have_the_size_of_the_input_and_every_weight_a_gradient():
    segmenter = Segmenter(3, 5, width=6)
    assert isinstance(segmenter, Generator)
    scores = segmenter(torch.randn(2, 3, 64, 96))
    assert scores.shape == (2, 5, 64, 96)
    scores.square().sum().backward()
    assert all(parameter.grad is not None for parameter in segmenter.parameters())


def test_initialization_keeps_the_pretrained_weights_of_the_encoder_alone():
    torch.manual_seed(0)
    drawn, pretrained = Segmenter(3, 5, width=6), Segmenter(3, 5, width=6, pretrained="imagenet")
    initialize(drawn, "normal", 0.02)
    initialize(pretrained, "normal", 0.02)
    assert drawn.encoder.stem.conv.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert pretrained.encoder.stem.conv.weight.std().item() > 0.1
    assert pretrained.lateral[3].weight.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Segmenter(1), "the input has 1 channels; a segmenter translates RGB images"),
        (lambda: Segmenter(width=0), "width is 0"),
        (lambda: Segmenter(dropout=1.0), r"dropout is 1\.0; expected a probability"),
        (lambda: Segmenter(width=3)(torch.zeros(1, 3, 64, 80)), "64x80 .* multiples of 32"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()
