"""Activation checkpointing: less memory and the same numbers."""

import copy

import pytest
import torch

from pix2pix_lit.networks import MultiScalePatchGAN, PatchGAN, ResNetGenerator, UNetGenerator
from pix2pix_lit.networks.layers.norm import statistics_of_parts

GENERATORS = {
    "unet": lambda: UNetGenerator(width=8, depth=4, dropout_blocks=[0, 1, 2]),
    "resnet": lambda: ResNetGenerator(width=4, blocks=2),
}
DISCRIMINATORS = {
    "patchgan": lambda: PatchGAN(width=16, layers=2),
    "spectral norm": lambda: PatchGAN(width=4, layers=2, norm="none", spectral_norm=True),
    "multi-scale": lambda: MultiScalePatchGAN(width=16, layers=1),
}


def recomputing(network):
    """A copy that computes activations again."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "activation_checkpointing"):
            module.activation_checkpointing = True
    return network


def kept_bytes(run):
    """What a forward pass keeps for its backward pass, parameters included."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = run()
    return sum(kept.values()), output


def assert_same_state(one, other):
    for (name, value), theirs in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(value, theirs), name
    for (name, parameter), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(parameter.grad, theirs.grad), name


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generators_gradients_statistics_and_dropout_draws_stay_the_same(kind, autocast):
    torch.manual_seed(0)
    plain = GENERATORS[kind]()
    network = recomputing(plain)
    x = torch.randn(2, 3, 32, 32)
    outputs, draws = [], []
    for generator in (plain, network):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            output = generator(x)
        draws.append(torch.rand(3))  # between the passes: the second run may not move on the generator
        output.float().square().mean().backward()
        outputs.append(output)
        draws.append(torch.rand(3))
    assert torch.equal(*outputs)
    assert torch.equal(draws[0], draws[2])
    assert torch.equal(draws[1], draws[3])
    assert_same_state(plain, network)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_a_discriminators_gradients_statistics_and_singular_vectors_stay_the_same(kind):
    torch.manual_seed(0)
    plain = DISCRIMINATORS[kind]()
    network = recomputing(plain)
    first, second = torch.randn(2, 2, 4, 3, 32, 32)
    for discriminator in (plain, network):
        # two passes before one backward pass, the second as two parts: each is run again as it was run first
        output = discriminator(*first)
        with statistics_of_parts(discriminator, 2):
            output += discriminator(*second)
        sum(scale.logits.square().mean() + scale.features[0].mean() for scale in output).backward()
    assert_same_state(plain, network)


def test_a_graph_can_be_run_backwards_twice():
    torch.manual_seed(0)
    plain = PatchGAN(width=4, layers=1)
    network = recomputing(plain)
    pair = torch.randn(2, 2, 3, 16, 16)
    for discriminator in (plain, network):
        loss = discriminator(*pair)[0].logits.square().mean()
        loss.backward(retain_graph=True)
        loss.backward()
    assert_same_state(plain, network)


@pytest.mark.parametrize("kind", [*GENERATORS, "patchgan", "multi-scale"])
def test_less_is_kept_for_the_backward_pass(kind):
    network = (GENERATORS | DISCRIMINATORS)[kind]()
    inputs = [torch.randn(2, 3, 64, 64) for _ in range(1 if kind in GENERATORS else 2)]
    plain, _ = kept_bytes(lambda: network(*inputs))
    network = recomputing(network)
    fewer, _ = kept_bytes(lambda: network(*inputs))
    assert fewer < 0.7 * plain


def test_the_argument_reaches_every_network():
    built = [
        UNetGenerator(width=2, activation_checkpointing=True),
        ResNetGenerator(width=2, activation_checkpointing=True),
        PatchGAN(activation_checkpointing=True),
    ]
    assert all(network.activation_checkpointing for network in built)


def test_without_gradients_or_in_eval_mode_nothing_is_run_in_a_special_way(monkeypatch):
    network = UNetGenerator(width=4, depth=4, activation_checkpointing=True)
    monkeypatch.setattr("pix2pix_lit.networks.layers.activation_checkpointing.checkpoint", None)
    with torch.no_grad():
        network(torch.randn(1, 3, 32, 32))
    network.eval()(torch.randn(1, 3, 32, 32)).mean().backward()
    with pytest.raises(TypeError):
        network.train()(torch.randn(1, 3, 32, 32))


@pytest.mark.slow
def test_compiled_passes_do_the_same():
    torch.manual_seed(0)
    plain = PatchGAN(width=4, layers=1)
    network = recomputing(plain)
    network.compile(backend="aot_eager_decomp_partition")  # all that decides what is kept, without code generation
    pair = torch.randn(2, 4, 3, 16, 16)
    for discriminator in (plain, network):
        with statistics_of_parts(discriminator, 2):
            discriminator(*pair)[0].logits.square().mean().backward()
    for (name, value), other in zip(plain.state_dict().items(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, msg=name)
    for (name, parameter), other in zip(plain.named_parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, msg=name)
