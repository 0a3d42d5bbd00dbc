"""A checkpoint describes itself, and one from an untrusted source runs no code."""

import os
import pickle
import resource

import pytest
import safetensors.torch
import torch

from pix2pix_lit.checkpoints.loading import GENERATORS, read_checkpoint
from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO
from pix2pix_lit.errors import UserError
from pix2pix_lit.formats import load_generator
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator

UNET = {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 4, "dropout_blocks": [0, 1]}
RESNET = {"_target_": "pix2pix_lit.networks.ResNetGenerator", "width": 4, "blocks": 1, "norm": "instance"}


def checkpoint_of(spec, network, input=RGB, target=RGB):
    return {
        "hyper_parameters": {"generator": spec, "input": input.as_dict(), "target": target.as_dict()},
        "state_dict": {f"generator.{name}": value for name, value in network.state_dict().items()}
        | {"discriminator.blocks.0.0.weight": torch.zeros(1)},
    }


def test_every_generator_that_networks_exports_is_built_and_nothing_else():
    names = ("UNetGenerator", "ResNetGenerator", "Segmenter")
    assert GENERATORS.keys() == {f"pix2pix_lit.networks.{name}" for name in names}


@pytest.mark.parametrize(("spec", "kind"), [(UNET, UNetGenerator), (RESNET, ResNetGenerator)])
def test_a_generator_is_loaded_from_its_path_alone(tmp_path, spec, kind):
    network = kind(**{key: value for key, value in spec.items() if key != "_target_"}).eval()
    torch.save(checkpoint_of(spec, network), tmp_path / "x.ckpt")
    loaded, _ = load_generator(tmp_path / "x.ckpt")
    x = torch.randn(1, 3, 32, 32)
    assert type(loaded) is kind
    assert not loaded.training
    assert torch.equal(loaded(x), network(x))


def test_image_types_come_with_the_generator(tmp_path):
    input = ImageType(kind="ids", channels=1, classes=7, palette=[[1, 2, 3]], instance_edges=True)
    target = ImageType(channels=1, dtype="uint16", range=[0, 4000])
    network = UNetGenerator(in_channels=8, out_channels=1, width=4, depth=4, dropout_blocks=[0, 1])
    torch.save(checkpoint_of(UNET, network, input, target), tmp_path / "x.ckpt")
    loaded, metadata = load_generator(tmp_path / "x.ckpt")
    assert (metadata.input, metadata.target) == (input, target)
    assert loaded(torch.zeros(1, 8, 16, 16)).shape == (1, 1, 16, 16)


class Malicious:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["itself", "hyper_parameters", "state_dict"])
def test_malicious_pickle_is_refused_and_does_not_run(tmp_path, place):
    malicious = Malicious(tmp_path / "pwned")
    checkpoint = checkpoint_of(UNET, UNetGenerator(width=4, depth=4, dropout_blocks=[]))
    content = malicious if place == "itself" else checkpoint | {place: malicious}
    torch.save(content, tmp_path / "zip.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(content, protocol=2))
    for name in ("zip.ckpt", "plain.ckpt"):
        with pytest.raises(UserError, match=f"{name} is refused: .* could run code"):
            load_generator(tmp_path / name)
        with pytest.raises(UserError, match="could run code"):  # what resuming a training goes through
            AtomicCheckpointIO().load_checkpoint(tmp_path / name, weights_only=False)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "pix2pix_lit.networks.PatchGAN",
        "pix2pix_lit.checkpoints.loading.os.mkdir",
        "torch.nn.Linear",
        "",
        None,
        7,
        ["pix2pix_lit.networks.UNetGenerator"],
    ],
)
def test_malicious_target_is_refused_and_does_not_run(tmp_path, target):
    spec = {"_target_": target, "path": str(tmp_path / "pwned"), "_args_": [str(tmp_path / "pwned")]}
    torch.save(checkpoint_of(spec, torch.nn.Identity()), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="asks for the class .* keep untrusted files from running code"):
        load_generator(tmp_path / "x.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_target_nested_in_an_argument_is_not_built(tmp_path):
    spec = UNET | {"norm": {"_target_": "os.mkdir", "path": str(tmp_path / "pwned")}}
    torch.save(checkpoint_of(spec, UNetGenerator(width=4, depth=4, dropout_blocks=[])), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="does not fit"):
        load_generator(tmp_path / "x.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_missing_folder_torn_and_foreign_files_are_distinguished(tmp_path):
    with pytest.raises(UserError, match=r"x.ckpt does not exist; expected a checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="is a folder"):
        read_checkpoint(tmp_path)

    network = UNetGenerator(width=4, depth=4, dropout_blocks=[])
    torch.save(checkpoint_of(UNET, network), tmp_path / "intact.ckpt")
    content = (tmp_path / "intact.ckpt").read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "torn.ckpt").write_bytes(content[:length])
        with pytest.raises(UserError, match="torn.ckpt (cannot be read|is refused)"):
            read_checkpoint(tmp_path / "torn.ckpt")

    for quarter in (1, 2, 3):
        flipped = bytearray(content)
        flipped[len(content) * quarter // 4] ^= 1
        (tmp_path / "flipped.ckpt").write_bytes(flipped)
        with pytest.raises(UserError, match="flipped.ckpt (cannot be read|is refused)"):
            read_checkpoint(tmp_path / "flipped.ckpt")
    assert read_checkpoint(tmp_path / "intact.ckpt").keys() == {"hyper_parameters", "state_dict"}

    for foreign in ({"state_dict": {}}, {"model": torch.zeros(1)}, {"hyper_parameters": {}}, {"hyper_parameters": 3}):
        torch.save(foreign, tmp_path / "foreign.ckpt")
        with pytest.raises(UserError, match="does not describe its generator"):
            load_generator(tmp_path / "foreign.ckpt")
    torch.save(torch.zeros(3), tmp_path / "tensor.ckpt")
    with pytest.raises(UserError, match="holds a Tensor"):
        read_checkpoint(tmp_path / "tensor.ckpt")


@pytest.mark.parametrize("change", [{"width": 8}, {"depth": 5}, {"unknown": 1}, {"norm": "group"}])
def test_weights_that_do_not_fit_their_description_are_refused(tmp_path, change):
    network = UNetGenerator(width=4, depth=4, dropout_blocks=[])
    torch.save(checkpoint_of(UNET | change, network), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="x.ckpt does not fit"):
        load_generator(tmp_path / "x.ckpt")


BIASED = UNET | {"norm": "none"}


def network_of(spec):
    kind = UNetGenerator if spec["_target_"].endswith("UNetGenerator") else ResNetGenerator
    return kind(**{key: value for key, value in spec.items() if key != "_target_"})


@pytest.mark.parametrize(
    ("spec", "claim"),
    [
        (UNET, {"width": 2000}),
        (UNET, {"width": 2**40}),
        (UNET, {"depth": 10**9}),
        (RESNET, {"blocks": 10**9}),
        (RESNET, {"width": 10**6}),
        (UNET, {"depth": 10**18, "dropout_blocks": []}),
    ],
)
def test_a_network_larger_than_its_weights_is_refused_before_it_is_built(tmp_path, spec, claim):
    torch.save(checkpoint_of(spec | claim, network_of(spec)), tmp_path / "x.ckpt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="x.ckpt does not fit the .* that it describes"):
        load_generator(tmp_path / "x.ckpt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def weights_as(change):
    """The state dict of a U-Net with another tensor for its innermost weights."""
    state = network_of(UNET).state_dict()
    return state | {"encoder.3.conv.weight": change(state["encoder.3.conv.weight"])}


def with_one(value):
    def change(weight):
        weight = weight.clone()
        weight[0, 1, 2, 3] = value
        return weight

    return change


NUMBERS_THAT_ARE_NONE = {
    "nan": (with_one(float("nan")), "NaN or infinity in .*encoder.3.conv.weight"),
    "inf": (with_one(float("-inf")), "NaN or infinity in .*encoder.3.conv.weight"),
    "too large for 32 bits": (lambda weight: with_one(1e300)(weight.double()), "NaN or infinity in"),
    "integers": (lambda weight: weight.int(), "encoder.3.conv.weight of int32; expected floating-point"),
    "bytes": (lambda weight: weight.byte(), "of uint8"),
    "truth values": (lambda weight: weight.bool(), "of bool"),
    "complex": (lambda weight: weight.to(torch.complex64), "of complex64"),
}


@pytest.mark.parametrize("name", NUMBERS_THAT_ARE_NONE)
@pytest.mark.parametrize("kind", ["checkpoint", "safetensors"])
def test_weights_that_are_no_finite_floating_point_numbers_are_refused(tmp_path, name, kind):
    change, message = NUMBERS_THAT_ARE_NONE[name]
    state = weights_as(change)
    if kind == "checkpoint":
        path = tmp_path / "x.ckpt"
        content = checkpoint_of(UNET, torch.nn.Identity())
        content["state_dict"] = {f"generator.{key}": value for key, value in state.items()}
        torch.save(content, path)
    else:
        path = tmp_path / "x.safetensors"
        metadata = stored_metadata(tmp_path)
        safetensors.torch.save_file(state, path, {"pix2pix_lit": metadata.to_json()})
    with pytest.raises(UserError, match=message):
        load_generator(path)


def stored_metadata(tmp_path):
    torch.save(checkpoint_of(UNET, network_of(UNET)), tmp_path / "fine.ckpt")
    return load_generator(tmp_path / "fine.ckpt")[1]


def test_weights_of_other_precisions_and_large_finite_ones_are_taken(tmp_path):
    for number, change in enumerate((lambda it: it.half(), lambda it: it.double(), lambda it: it * 0 + 1e38)):
        content = checkpoint_of(UNET, torch.nn.Identity())
        content["state_dict"] = {f"generator.{key}": value for key, value in weights_as(change).items()}
        torch.save(content, tmp_path / f"{number}.ckpt")
        weight = load_generator(tmp_path / f"{number}.ckpt")[0].encoder[3].conv.weight
        assert torch.equal(weight, content["state_dict"]["generator.encoder.3.conv.weight"].float())


@pytest.mark.parametrize("place", ["hyper_parameters", "generator", "input", "width", "state_dict", "a weight", "data"])
@pytest.mark.parametrize("value", [torch.ones(3), "text", 7, [1, 2], 2**63, None, {}, float("nan")])
def test_a_checkpoint_with_something_else_in_its_place_is_refused(tmp_path, place, value):
    content = checkpoint_of(dict(UNET), network_of(UNET))
    if place in ("hyper_parameters", "state_dict", "data"):
        content[place] = value
    elif place == "a weight":
        content["state_dict"]["generator.encoder.0.conv.weight"] = value
    elif place == "width":
        content["hyper_parameters"]["generator"]["width"] = value
    else:
        content["hyper_parameters"][place] = value
    torch.save(content, tmp_path / "x.ckpt")
    is_fine = (place == "data" and not isinstance(value, torch.Tensor)) or (place == "input" and value == {})
    if is_fine:
        assert load_generator(tmp_path / "x.ckpt")[1].to_json()
    else:
        with pytest.raises(UserError, match="x.ckpt (does not|has tensors|asks for)"):
            load_generator(tmp_path / "x.ckpt")


@pytest.mark.parametrize("dropout", [float("nan"), -0.1, 1.5, "much"])
@pytest.mark.parametrize("spec", [UNET, RESNET])
def test_dropout_that_is_no_probability_is_refused(tmp_path, spec, dropout):
    torch.save(checkpoint_of(spec | {"dropout": dropout}, network_of(spec)), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="x.ckpt does not fit"):
        load_generator(tmp_path / "x.ckpt")


def test_metadata_nested_too_deep_is_refused(tmp_path):
    text = '{"generator": ' + "[" * 100_000 + "]" * 100_000 + "}"
    safetensors.torch.save_file(network_of(UNET).state_dict(), tmp_path / "x.safetensors", {"pix2pix_lit": text})
    with pytest.raises(UserError, match=r"has metadata that this version .*RecursionError"):
        load_generator(tmp_path / "x.safetensors")


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    for name in ("x.ckpt", "x.safetensors", "x.onnx"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match=f"{name} cannot be read .* a FIFO"):
            load_generator(tmp_path / name)
