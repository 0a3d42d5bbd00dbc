"""Perceptual losses: the distance of a fake from its target in the features of an ImageNet classifier."""

import pickle
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, VGG19_Weights, vgg19  # type: ignore[import-untyped]

from pix2pix_lit.checks import FilePath, check_choice
from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.torchmetrics import lpips_network
from pix2pix_lit.losses.objective import Loss
from pix2pix_lit.networks.pretrained import read_state_dict

PerceptualKind = Literal["vgg19", "lpips"]

DOWNLOADS = {"vgg19": VGG19_Weights.IMAGENET1K_V1, "lpips": AlexNet_Weights.IMAGENET1K_V1}
"""Torchvision's weights of each kind's network."""

SMALLEST_SIDE = {"vgg19": 16, "lpips": 31}
"""Smallest height and width, in pixels, that leave every feature map a pixel."""


class PerceptualLoss(Loss):
    """Distance of a fake from its target in the features of a fixed network.

    The network is never trained, stays in eval mode, follows ``.to(device)`` and is not stored in checkpoints: it holds
    non-persistent buffers only.

    Args:
        weight: factor on the term; 0 leaves it out, and then no network is built.
        kind: ``vgg19``: absolute differences of five layers of VGG-19 (Johnson et al. 2016, in the form of Wang et
            al. 2018, "pix2pixHD"); ``lpips``: Zhang et al. 2018 with AlexNet, as torchmetrics has it.
        weights: a state-dict file of torchvision's network (``vgg19`` or ``alexnet``), or None for its download to
            torch's cache.

    Raises:
        UserError: for an unknown ``kind``, a negative weight, a file that cannot be read or does not fit, or a
            download that fails.
    """

    key = "perceptual"
    needs = ("fake", "target")
    channels = (1, 3)

    def __init__(self, weight: float = 0.0, kind: PerceptualKind = "vgg19", weights: FilePath | None = None) -> None:
        super().__init__(weight)
        check_choice("model.perceptual.kind", kind, PerceptualKind)
        self.kind = kind
        self.distance: nn.Module | None = None
        if weight > 0:
            state, source = _download(kind) if weights is None else (_read(weights), weights)
            self.distance = _VGG19Distance() if kind == "vgg19" else _lpips()
            _fill(self.distance.net, state, source)  # type: ignore[arg-type]
            _make_constant(self.distance)
        self.eval()

    def train(self, mode: bool = True) -> "PerceptualLoss":
        """Stay in eval mode: LPIPS has dropout."""
        return super().train(False)

    def forward(self, fake: Tensor, target: Tensor) -> Tensor:
        """Mean distance over a batch: a scalar, not weighted.

        Args:
            fake: (N, C, H, W) float images in [-1, 1], C = 3, or 1, which is repeated.
            target: their targets, of the same shape; taken as constants.

        Raises:
            UserError: for another number of channels, or sides too small for the network.
        """
        if self.distance is None:
            raise ValueError("a perceptual loss of weight 0 has no network to compare with")
        _, channels, height, width = fake.shape
        if channels not in (1, 3):
            raise UserError(
                f"model.perceptual.weight is {self.weight}, but the target has {channels} channels; the networks of "
                f"the perceptual loss know 3 (RGB) or 1 (gray): set model.perceptual.weight=0"
            )
        if min(height, width) < SMALLEST_SIDE[self.kind]:
            raise UserError(
                f"the images are {height}x{width} (height x width); model.perceptual.kind={self.kind} needs at least "
                f"{SMALLEST_SIDE[self.kind]}x{SMALLEST_SIDE[self.kind]}: use larger images"
            )
        fake, target = (image.float().expand(-1, 3, -1, -1) for image in (fake, target.detach()))
        return self.distance(fake, target).mean()


class _VGG19Distance(nn.Module):
    """Weighted mean absolute differences of relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1."""

    layer_weights = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}  # noqa: RUF012
    """Those of pix2pixHD, by the index of the layer in torchvision's ``features``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # its weights are replaced: spend no time and no random numbers on them
            self.net = vgg19(init_weights=False).features[: max(self.layer_weights) + 1]
        # ImageNet's, which torchvision's networks were trained with, for images in [-1, 1] instead of [0, 1]
        mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
        self.register_buffer("mean", 2 * mean - 1, persistent=False)
        self.register_buffer("deviation", 2 * deviation, persistent=False)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        pairs = zip(self._features(fake), self._features(real), self.layer_weights.values(), strict=True)
        return torch.stack([weight * F.l1_loss(ours.float(), theirs.float()) for ours, theirs, weight in pairs]).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        x = (image - self.mean) / self.deviation
        seen = []
        for index, layer in enumerate(self.net):
            x = layer(x)
            if index in self.layer_weights:
                seen.append(x)
        return seen


def _lpips() -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # a loss must not change the generator's initial weights
        return lpips_network()


def _read(path: str) -> dict[str, Any]:
    expected = "a state-dict file of torchvision's network, as torchvision downloads it"
    return read_state_dict(Path(path).expanduser(), "model.perceptual.weights", expected)


def _download(kind: PerceptualKind) -> tuple[dict[str, Any], str]:
    weights = DOWNLOADS[kind]
    try:
        return weights.get_state_dict(map_location="cpu", check_hash=True, weights_only=True), weights.url
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f"model.perceptual.kind is {kind}, whose weights could not be downloaded from {weights.url} ({error}); "
            f"expected a connection: fetch the file elsewhere and set model.perceptual.weights=PATH"
        ) from error


def _fill(network: nn.Module, state: dict[str, Any], source: str) -> None:
    """Give every convolution its weights; their last name is their index in torchvision's ``features``."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            for part, parameter in list(layer.named_parameters()):
                key = f"features.{name.rpartition('.')[2]}.{part}"
                found = state.get(key)
                if not isinstance(found, Tensor) or found.shape != parameter.shape:
                    shape = tuple(found.shape) if isinstance(found, Tensor) else "missing"
                    raise UserError(
                        f"model.perceptual.weights: {key} is {shape} in {source}; expected {tuple(parameter.shape)}: "
                        f"give the file of the network that model.perceptual.kind names (vgg19: VGG-19, lpips: AlexNet)"
                    )
                setattr(layer, part, nn.Parameter(found.float()))


def _make_constant(network: nn.Module) -> None:
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach(), persistent=False)
