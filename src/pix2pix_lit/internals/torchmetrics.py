"""The private names of torchmetrics that this package uses."""

from torch import nn


def lpips_network() -> nn.Module:
    """LPIPS of AlexNet's architecture with the learnt weights of its layers, and random weights of AlexNet.

    The public class and function read the weights again at every call.
    """
    from torchmetrics.functional.image.lpips import _LPIPS  # takes seconds to import

    return _LPIPS(pretrained=True, net="alex", pnet_rand=True)
