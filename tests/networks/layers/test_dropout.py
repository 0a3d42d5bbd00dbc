"""Dropout as the noise of samples."""

import pytest
import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import Generator, ResNetGenerator, SamplingGenerator, UNetGenerator
from pix2pix_lit.networks.layers.dropout import sample_with_dropout

GENERATORS = [UNetGenerator(width=4, depth=3, dropout_blocks=[0]), ResNetGenerator(width=4, blocks=1)]


@pytest.mark.parametrize("network", GENERATORS, ids=lambda network: type(network).__name__)
def test_samples_depend_on_the_seed_alone_and_leave_modes_and_random_state(network):
    assert isinstance(network, Generator)
    assert isinstance(network, SamplingGenerator)
    network.eval()
    x = torch.rand(1, 3, 16, 16)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    samples = [network.sample(x, seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])
    assert not any(module.training for module in network.modules())
    assert torch.equal(network(x), network(x))


def test_a_network_without_dropout_is_refused():
    with pytest.raises(UserError, match="no dropout, so all samples would be equal"):
        sample_with_dropout(nn.Conv2d(3, 3, 1), torch.rand(1, 3, 4, 4), 0)
