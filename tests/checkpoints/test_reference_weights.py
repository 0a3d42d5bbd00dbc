"""Generators of the reference implementation become ours and convert back, with the same outputs."""

import re

import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.checkpoints.loading import GENERATORS
from pix2pix_lit.checkpoints.reference_weights import from_reference, is_reference, to_reference
from pix2pix_lit.errors import UserError
from pix2pix_lit.networks import PatchGAN

SIZES = {"unet_256": 8, "unet_128": 7, "resnet_9blocks": 9, "resnet_6blocks": 6}
KINDS = ["unet_256", "unet_128", "resnet_9blocks", "resnet_9blocks with dropout", "resnet_6blocks with dropout"]


class Writer:
    """Collects random tensors under the names of the reference implementation, in the order of its modules."""

    def __init__(self, norm, old_statistics=False, dtype=torch.float32):
        self.norm, self.old_statistics, self.dtype = norm, old_statistics, dtype
        self.state = {}

    def conv(self, name, inputs, outputs, kernel, transposed=False, bias=None):
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        scale = 2 / (inputs * kernel**2) ** 0.5
        self.state[f"{name}.weight"] = (torch.randn(*shape, kernel, kernel) * scale).to(self.dtype)
        if self.norm == "instance" if bias is None else bias:
            self.state[f"{name}.bias"] = torch.randn(outputs).to(self.dtype) / 4

    def norm_of(self, name, channels):
        if self.norm == "batch":
            self.state[f"{name}.weight"] = (1 + torch.randn(channels) / 4).to(self.dtype)
            self.state[f"{name}.bias"] = (torch.randn(channels) / 4).to(self.dtype)
        if self.norm == "batch" or self.old_statistics:
            self.state[f"{name}.running_mean"] = torch.randn(channels).to(self.dtype)
            self.state[f"{name}.running_var"] = torch.rand(channels).to(self.dtype)
            self.state[f"{name}.num_batches_tracked"] = torch.tensor(1234)

    def unet(self, depth, ngf, inputs, outputs):
        def block(name, outer, inner, rest):
            """``rest``: (outer, inner) channels of the blocks within."""
            self.conv(f"{name}.1", outer, inner, 4)
            if not rest:
                self.conv(f"{name}.3", inner, outer, 4, transposed=True)
                self.norm_of(f"{name}.4", outer)
                return
            self.norm_of(f"{name}.2", inner)
            block(f"{name}.3.model", *rest[0], rest[1:])
            self.conv(f"{name}.5", 2 * inner, outer, 4, transposed=True)
            self.norm_of(f"{name}.6", outer)

        within = [(ngf, 2 * ngf), (2 * ngf, 4 * ngf), (4 * ngf, 8 * ngf), *[(8 * ngf, 8 * ngf)] * (depth - 4)]
        self.conv("model.model.0", inputs, ngf, 4)
        block("model.model.1.model", *within[0], within[1:])
        self.conv("model.model.3", 2 * ngf, outputs, 4, transposed=True, bias=True)

    def resnet(self, blocks, ngf, inputs, outputs, dropout):
        self.conv("model.1", inputs, ngf, 7)
        self.norm_of("model.2", ngf)
        self.conv("model.4", ngf, 2 * ngf, 3)
        self.norm_of("model.5", 2 * ngf)
        self.conv("model.7", 2 * ngf, 4 * ngf, 3)
        self.norm_of("model.8", 4 * ngf)
        for i in range(10, 10 + blocks):
            for conv in (1, 6 if dropout else 5):
                self.conv(f"model.{i}.conv_block.{conv}", 4 * ngf, 4 * ngf, 3)
                self.norm_of(f"model.{i}.conv_block.{conv + 1}", 4 * ngf)
        self.conv(f"model.{10 + blocks}", 4 * ngf, 2 * ngf, 3, transposed=True)
        self.norm_of(f"model.{11 + blocks}", 2 * ngf)
        self.conv(f"model.{13 + blocks}", 2 * ngf, ngf, 3, transposed=True)
        self.norm_of(f"model.{14 + blocks}", ngf)
        self.conv(f"model.{17 + blocks}", ngf, outputs, 7, bias=True)


def written(kind="unet_128", norm="batch", ngf=4, channels=(3, 3), size=None, **options):
    """The state dict of a reference generator: a name of ``--netG``, maybe followed by "with dropout"."""
    torch.manual_seed(0)
    netG, _, dropout = kind.partition(" ")  # noqa: N806
    writer = Writer(norm, **options)
    if netG.startswith("unet"):
        writer.unet(size or SIZES[netG], ngf, *channels)
    else:
        writer.resnet(size or SIZES[netG], ngf, *channels, dropout=bool(dropout))
    return writer.state


class Backend:
    """What the reference implementation computes from such tensors, in training mode without dropout."""

    def __init__(self, state):
        self.state = state

    def conv(self, name, x, function=F.conv2d, **options):
        return function(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **options)

    def norm(self, name, x):
        x = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
        weight, bias = (self.state.get(f"{name}.{part}") for part in ("weight", "bias"))
        return x if weight is None else x * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)

    def unet(self, x):
        halve, double = {"stride": 2, "padding": 1}, {"stride": 2, "padding": 1, "function": F.conv_transpose2d}

        def block(name, x):
            h = self.conv(f"{name}.1", F.leaky_relu(x, 0.2), **halve)
            if f"{name}.3.weight" in self.state:
                return torch.cat([x, self.norm(f"{name}.4", self.conv(f"{name}.3", h.relu(), **double))], 1)
            h = block(f"{name}.3.model", self.norm(f"{name}.2", h))
            return torch.cat([x, self.norm(f"{name}.6", self.conv(f"{name}.5", h.relu(), **double))], 1)

        h = block("model.model.1.model", self.conv("model.model.0", x, **halve))
        return self.conv("model.model.3", h.relu(), **double).tanh()

    def resnet(self, x, blocks, dropout):
        def reflect(x, by):
            return F.pad(x, [by] * 4, "reflect")

        def up(i, x):
            doubled = {"stride": 2, "padding": 1, "output_padding": 1, "function": F.conv_transpose2d}
            return self.norm(f"model.{i + 1}", self.conv(f"model.{i}", x, **doubled)).relu()

        x = self.norm("model.2", self.conv("model.1", reflect(x, 3))).relu()
        x = self.norm("model.5", self.conv("model.4", x, stride=2, padding=1)).relu()
        x = self.norm("model.8", self.conv("model.7", x, stride=2, padding=1)).relu()
        for i in range(10, 10 + blocks):
            name, second = f"model.{i}.conv_block", 6 if dropout else 5
            h = self.norm(f"{name}.2", self.conv(f"{name}.1", reflect(x, 1))).relu()
            x = x + self.norm(f"{name}.{second + 1}", self.conv(f"{name}.{second}", reflect(h, 1)))
        x = up(13 + blocks, up(10 + blocks, x))
        return self.conv(f"model.{17 + blocks}", reflect(x, 3)).tanh()


def generated(kind, state, x):
    netG, _, dropout = kind.partition(" ")  # noqa: N806
    backend = Backend(state)
    return backend.unet(x) if netG.startswith("unet") else backend.resnet(x, SIZES[netG], bool(dropout))


def built(converted):
    arguments = {name: value for name, value in converted.spec.items() if name != "_target_"}
    channels = {"in_channels": converted.in_channels, "out_channels": converted.out_channels}
    network = GENERATORS[converted.spec["_target_"]](**arguments, **channels)
    network.load_state_dict(converted.weights, strict=True)
    return network.eval()


def assert_generates_the_same(kind, state, converted):
    torch.manual_seed(1)
    side = {"unet_256": 256, "unet_128": 128}.get(kind, 32)
    x = torch.rand(1, converted.in_channels, side, side) * 2 - 1
    with torch.no_grad():
        output, expected = built(converted)(x), generated(kind, state, x)
    assert 0.1 < expected.std() < 0.9
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=0)


def assert_same_tensors(given, expected):
    assert list(given) == list(expected)
    for name, tensor in expected.items():
        assert given[name].dtype == tensor.dtype
        assert torch.equal(given[name], tensor)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("kind", [*KINDS, "resnet_6blocks"])
def test_a_generator_generates_what_it_did_and_converts_back_bit_for_bit(kind, norm):
    state = written(kind, norm)
    assert is_reference(state)
    converted = from_reference(state, "latest_net_G.pth")
    assert_generates_the_same(kind, state, converted)
    assert_same_tensors(to_reference(converted.spec, converted.weights), state)


@pytest.mark.parametrize("kind", ["unet_128", "resnet_6blocks"])
@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (8, 2)])
def test_channels_and_width_are_those_of_the_file(kind, channels):
    state = written(kind, ngf=6, channels=channels)
    converted = from_reference(state, "latest_net_G.pth")
    assert (converted.in_channels, converted.out_channels) == channels
    assert converted.spec["width"] == 6
    assert_generates_the_same(kind, state, converted)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize(("kind", "dropout_blocks"), [("unet_256", [1, 2, 3]), ("unet_128", [1, 2])])
def test_the_specification_of_a_unet_has_the_references_defaults(kind, dropout_blocks, norm):
    assert from_reference(written(kind, norm), "x.pth").spec == {
        "_target_": "pix2pix_lit.networks.UNetGenerator",
        "width": 4,
        "depth": SIZES[kind],
        "norm": norm,
        "norm_inference": "per_image",
        "dropout": 0.5,
        "dropout_blocks": dropout_blocks,
        "bias_before_norm": norm == "instance",
    }


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize(("kind", "dropout"), [("resnet_9blocks", 0.0), ("resnet_6blocks with dropout", 0.5)])
def test_the_specification_of_a_resnet_says_whether_there_was_dropout(kind, dropout, norm):
    assert from_reference(written(kind, norm), "x.pth").spec == {
        "_target_": "pix2pix_lit.networks.ResNetGenerator",
        "width": 4,
        "blocks": SIZES[kind.partition(" ")[0]],
        "norm": norm,
        "norm_inference": "per_image",
        "dropout": dropout,
        "bias_before_norm": norm == "instance",
    }


@pytest.mark.parametrize(("kind", "size"), [("unet_256", 5), ("unet_256", 10), ("resnet_9blocks", 1)])
def test_other_depths_are_recognised(kind, size):
    state = written(kind, "instance", ngf=2, size=size)
    converted = from_reference(state, "x.pth")
    assert converted.spec["depth" if kind == "unet_256" else "blocks"] == size
    built(converted)
    assert_same_tensors(to_reference(converted.spec, converted.weights), state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.module."])
@pytest.mark.parametrize("kind", ["unet_128", "resnet_6blocks"])
def test_names_that_wrappers_put_before_all_others_are_taken_off(kind, prefix):
    state = written(kind)
    wrapped = {prefix + name: value for name, value in state.items()}
    assert is_reference(wrapped)
    converted = from_reference(wrapped, "x.pth")
    assert_same_tensors(converted.weights, from_reference(state, "x.pth").weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [True, False])
def test_statistics_that_old_files_have_of_instance_norm_are_dropped(kind, counts):
    old = written(kind, "instance", old_statistics=True)
    if not counts:
        old = {name: value for name, value in old.items() if not name.endswith("num_batches_tracked")}
    statistics = [name for name in old if "running" in name or "num_batches" in name]
    new = {name: value for name, value in old.items() if name not in statistics}
    assert statistics
    assert from_reference(old, "x.pth").spec["norm"] == "instance"
    assert_same_tensors(from_reference(old, "x.pth").weights, from_reference(new, "x.pth").weights)


def test_batch_norm_of_files_before_pytorch_counted_batches_starts_counting_at_zero():
    state = written("unet_128", "batch")
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    converted = from_reference(old, "x.pth")
    assert_generates_the_same("unet_128", old, converted)
    assert converted.weights["decoder.0.norm.num_batches_tracked"].item() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_pass_as_they_are(dtype):
    state = written("resnet_6blocks", dtype=dtype)
    converted = from_reference(state, "x.pth")
    assert_same_tensors(to_reference(converted.spec, converted.weights), state)
    assert converted.weights["head.weight"] is state["model.23.weight"]


OURS = {
    "unet": {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 7, "dropout_blocks": [0, 1]},
    "resnet": {"_target_": "pix2pix_lit.networks.ResNetGenerator", "width": 4, "blocks": 6},
}


def ours(kind, **settings):
    """A specification and the generator that it describes."""
    torch.manual_seed(0)
    spec = OURS[kind] | settings
    arguments = {name: value for name, value in spec.items() if name != "_target_"}
    return spec, GENERATORS[spec["_target_"]](2, 3, **arguments).eval()


@pytest.mark.parametrize("kind", ["unet", "resnet"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"norm": "instance", "bias_before_norm": True},
        {"norm": "batch", "dropout": 0.0, "norm_inference": "running", "activation_checkpointing": True},
    ],
)
def test_our_generator_converts_to_the_reference_and_back_bit_for_bit(kind, settings):
    spec, network = ours(kind, **settings)
    state = network.state_dict()
    converted = from_reference(to_reference(spec, state), "x.pth")
    assert_same_tensors(converted.weights, state)
    assert (converted.in_channels, converted.out_channels) == (2, 3)


@pytest.mark.parametrize("kind", ["unet", "resnet"])
def test_instance_norm_without_biases_gets_the_zeros_that_the_reference_expects(kind):
    spec, network = ours(kind, norm="instance")
    state = to_reference(spec, network.state_dict())
    name = {"unet": "unet_128", "resnet": "resnet_6blocks with dropout"}[kind]
    expected = written(name, "instance", channels=(2, 3))
    assert {name: value.shape for name, value in state.items()} == {k: v.shape for k, v in expected.items()}
    added = state["model.model.1.model.1.bias" if kind == "unet" else "model.1.bias"]
    assert torch.equal(added, torch.zeros(len(added)))
    x = torch.rand(1, 2, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(generated(name, state, x), network(x), atol=1e-5, rtol=0)


def without(state, *names):
    return {name: value for name, value in state.items() if name not in names}


def renamed(state, pattern, replacement):
    return {re.sub(pattern, replacement, name): value for name, value in state.items()}


def padded_with_zeros(state):
    """conv_block without its paddings: 0 conv, 1 norm, 2 ReLU, 3 conv, 4 norm."""
    places = {"1": "0", "2": "1", "5": "3", "6": "4"}
    return renamed(state, r"conv_block\.(\d)", lambda match: f"conv_block.{places[match[1]]}")


def without_norms():
    writer = Writer("none")
    writer.unet(7, 4, 3, 3)
    return writer.state


DISCRIMINATOR = {
    "model.0.weight": torch.zeros(4, 6, 4, 4),
    "model.0.bias": torch.zeros(4),
    "model.2.weight": torch.zeros(1, 4, 4, 4),
}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda: DISCRIMINATOR, "holds weights of a discriminator; .* latest_net_G"),
        (lambda: padded_with_zeros(written("resnet_6blocks")), "pads with zeros; expected one that pads by reflection"),
        (without_norms, "without norms; expected one with batch or instance"),
        (lambda: written("unet_128", size=4), "U-Net of 4 levels; expected 5 or more"),
        (lambda: written() | {"model.extra.weight": torch.zeros(1)}, "has model.extra.weight; expected all"),
        (lambda: written("resnet_6blocks") | {"model.3.alpha": torch.zeros(1)}, "has model.3.alpha;"),
        (
            lambda: without(written(), "model.model.1.model.1.weight"),
            "U-Net of 7 levels of width 4 with batch norm.* lacks model.model.1.model.1.weight;",
        ),
        (lambda: without(written(), "model.model.3.bias"), "lacks model.model.3.bias; expected all"),
        (
            lambda: without(written("resnet_6blocks"), "model.12.conv_block.5.weight"),
            "ResNet of 6 blocks of width 4 with batch norm.* lacks model.12.conv_block.5.weight",
        ),
        (lambda: without(written(), "model.model.1.model.6.num_batches_tracked"), "lacks .*num_batches_tracked"),
        (
            lambda: written() | {"model.model.1.model.5.weight": torch.zeros(16, 4, 3, 3)},
            "has model.model.1.model.5.weight of shape \\[16, 4, 3, 3\\] instead of \\[16, 4, 4, 4\\]",
        ),
        (lambda: written() | {"model.model.0.weight": torch.zeros(4)}, "model.model.0.weight of shape \\[4\\]"),
        (lambda: written() | {"model.model.0.weight": torch.zeros(())}, "model.model.0.weight of shape \\[\\]"),
        (
            lambda: written("resnet_6blocks", "instance") | {"model.2.weight": torch.zeros(4)},  # mixed norms
            "lacks model.2.bias, model.2.running_mean, .* and has model.1.bias",
        ),
        (
            lambda: written("resnet_6blocks") | {"model.1.bias": torch.zeros(4)},
            "ResNet .*with batch norm.* has model.1.bias",
        ),
        (
            lambda: written("unet_128", "instance") | {"model.model.1.model.4.running_mean": torch.zeros(4)},
            "has model.model.1.model.4.running_mean",  # where no norm is
        ),
        (
            lambda: written("resnet_6blocks") | written("resnet_6blocks with dropout"),
            "has model.10.conv_block.5.weight",
        ),
        (lambda: {}, "holds nothing; expected weights of a generator"),
        (lambda: {"state_dict": written()}, "holds state_dict; expected"),
        (lambda: written() | {"epoch": torch.zeros(())}, "expected weights of a generator"),
        (lambda: written() | renamed(written(), "^", "module."), "holds .*names starting with 'model.'"),
    ],
)
def test_anything_else_is_refused_by_what_it_is(state, message):
    with pytest.raises(UserError, match=f"^some/latest_net_X.pth .*{message}"):
        from_reference(state(), "some/latest_net_X.pth")


def test_other_files_do_not_look_like_the_references():
    state = ours("unet")[1].state_dict()
    lightning = {f"generator.{name}": value for name, value in state.items()}
    others = [{}, state, lightning, PatchGAN(width=4).state_dict(), {0: torch.zeros(1)}]
    others += [{"hyper_parameters": {}, "state_dict": lightning}, {"state_dict": written()}]
    others += [written() | {"epoch": 3}, written() | {"epoch": torch.zeros(())}, {"model.7.weight": torch.zeros(1)}]
    assert not any(map(is_reference, others))
    assert is_reference(DISCRIMINATOR)  # so that it is refused for what it is


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("unet", {"upsampling": "resize"}, "upsampling=resize; .* only transposed .*upsampling=transposed"),
        ("unet", {"norm": "none"}, "norm=none; .* only batch and instance"),
        ("resnet", {"norm": "none"}, "norm=none; .* only batch and instance"),
        ("unet", {"bias_before_norm": True}, "bias_before_norm=True; .* only False"),
        ("unet", {"depth": 4}, "depth=4; .* 5 levels or more"),
        ("resnet", {"_target_": "torch.nn.Linear"}, "class is 'torch.nn.Linear'; only"),
        ("resnet", {"_target_": ["x"]}, "class is \\['x'\\]; only"),
        ("resnet", {"width": 8}, "width 8 .*has stem.0.weight of shape \\[4, 2, 7, 7\\] instead of \\[8, 2"),
        ("resnet", {"blocks": 5}, "ResNet of 5 blocks .*has blocks.5.conv1.weight"),
        ("unet", {"depth": 8}, "U-Net of 8 levels .*lacks encoder.6.norm.weight"),
        ("unet", {"norm": "instance"}, "lacks encoder.0.conv.bias, .* and has encoder.1.norm.weight"),
    ],
)
def test_generators_that_the_reference_does_not_have_stay_ours(kind, settings, message):
    spec, network = ours(kind)
    with pytest.raises(UserError, match=message):
        to_reference(spec | settings, network.state_dict())
