"""Perceptual losses: the distance of a fake from its target in the features of an ImageNet classifier."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix_lit.checks import FilePath, check_choice
from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.torchmetrics import lpips_network
from pix2pix_lit.losses.objective import Loss
from pix2pix_lit.networks.pretrained import Classifier, classifier_features, make_constant

PerceptualKind = Literal["vgg19", "lpips"]

CLASSIFIERS: dict[PerceptualKind, Classifier] = {"vgg19": "vgg19", "lpips": "alexnet"}
"""Torchvision's network of each kind."""

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
            features = classifier_features(CLASSIFIERS[kind], weights, "model.perceptual.weights")
            self.distance = _VGG19Distance(features) if kind == "vgg19" else lpips_network("alex", features)
            make_constant(self.distance)
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

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.net = features[: max(self.layer_weights) + 1]
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
