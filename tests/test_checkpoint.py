"""A checkpoint describes itself, and a stranger's runs no code."""

import os
import pickle

import pytest
import torch

from pix2pix_lit.checkpoint import load_generator, read_checkpoint
from pix2pix_lit.checkpoint_io import AtomicCheckpointIO
from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator

UNET = {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 4, "dropout_blocks": [0, 1]}
RESNET = {"_target_": "pix2pix_lit.networks.ResNetGenerator", "width": 4, "blocks": 1, "norm": "instance"}


def checkpoint_of(spec, network, input=RGB, target=RGB):
    return {
        "hyper_parameters": {"generator": spec, "input": input.as_dict(), "target": target.as_dict()},
        "state_dict": {f"generator.{name}": value for name, value in network.state_dict().items()}
        | {"discriminator.blocks.0.0.weight": torch.zeros(1)},
    }


@pytest.mark.parametrize(("spec", "kind"), [(UNET, UNetGenerator), (RESNET, ResNetGenerator)])
def test_the_path_is_all_it_takes_to_get_the_generator_back(tmp_path, spec, kind):
    network = kind(**{key: value for key, value in spec.items() if key != "_target_"}).eval()
    torch.save(checkpoint_of(spec, network), tmp_path / "x.ckpt")
    loaded = load_generator(tmp_path / "x.ckpt").network
    x = torch.randn(1, 3, 32, 32)
    assert type(loaded) is kind
    assert not loaded.training
    assert torch.equal(loaded(x), network(x))


def test_what_its_images_are_comes_with_the_generator(tmp_path):
    input = ImageType(kind="ids", channels=1, classes=7, palette=[[1, 2, 3]], boundaries=True)
    target = ImageType(channels=1, dtype="uint16", range=[0, 4000])
    network = UNetGenerator(in_channels=8, out_channels=1, width=4, depth=4, dropout_blocks=[0, 1])
    torch.save(checkpoint_of(UNET, network, input, target), tmp_path / "x.ckpt")
    loaded = load_generator(tmp_path / "x.ckpt")
    assert (loaded.description.input, loaded.description.target) == (input, target)
    assert loaded.network(torch.zeros(1, 8, 16, 16)).shape == (1, 1, 16, 16)


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
        "pix2pix_lit.checkpoint.os.mkdir",
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
    with pytest.raises(UserError, match="asks for the class .* runs no code"):
        load_generator(tmp_path / "x.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_target_nested_in_an_argument_is_not_built(tmp_path):
    spec = UNET | {"norm": {"_target_": "os.mkdir", "path": str(tmp_path / "pwned")}}
    torch.save(checkpoint_of(spec, UNetGenerator(width=4, depth=4, dropout_blocks=[])), tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="does not fit"):
        load_generator(tmp_path / "x.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_missing_folder_torn_and_foreign_files_are_told_apart(tmp_path):
    with pytest.raises(UserError, match=r"x.ckpt does not exist; expected a checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="is a folder"):
        read_checkpoint(tmp_path)

    network = UNetGenerator(width=4, depth=4, dropout_blocks=[])
    torch.save(checkpoint_of(UNET, network), tmp_path / "whole.ckpt")
    content = (tmp_path / "whole.ckpt").read_bytes()
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
    assert read_checkpoint(tmp_path / "whole.ckpt", on_disk=True).keys() == {"hyper_parameters", "state_dict"}

    for foreign in ({"state_dict": {}}, {"model": torch.zeros(1)}, {"hyper_parameters": {}}, {"hyper_parameters": 3}):
        torch.save(foreign, tmp_path / "foreign.ckpt")
        with pytest.raises(UserError, match="does not say which generator"):
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
