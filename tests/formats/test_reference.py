"""Files of the reference implementation."""

import pytest
import torch

from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator

from ..exporting import UNET, levels_apart, noise, run_export, save_checkpoint


def test_a_network_with_running_statistics_becomes_a_file_of_the_reference_too(tmp_path):
    spec = UNET | {"depth": 5, "dropout_blocks": [], "norm_inference": "running"}
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", spec)
    exported = Translator.load(run_export(checkpoint, tmp_path / "out", "reference"), norm_inference="running")
    images = noise(RGB, 33, 40)
    assert levels_apart(exported(images), Translator.load(checkpoint)(images), RGB) == 0


@pytest.mark.parametrize(
    "more",
    [{}, {"norm": "instance", "norm_inference": "per_image", "bias_before_norm": True}],
    ids=["batch", "instance"],
)
def test_the_way_to_the_reference_and_back_is_bit_exact(tmp_path, more):
    spec = UNET | {"depth": 5, "dropout_blocks": []} | more
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", spec)
    there = run_export(checkpoint, tmp_path, "reference", output=f"{tmp_path}/latest_net_G.pth")
    back = run_export(there, tmp_path, "checkpoint", output=f"{tmp_path}/back.ckpt")
    stored, returned = (torch.load(path)["state_dict"] for path in (checkpoint, back))
    assert stored.keys() == returned.keys()
    for name, value in stored.items():
        assert torch.equal(value, returned[name]), name
    again = run_export(back, tmp_path, "reference", output=f"{tmp_path}/again.pth")
    ours, theirs = torch.load(there), torch.load(again)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
