"""Generators and discriminators: tensor in, tensor out; plain torch.nn, no Lightning and no configuration."""

from pix2pix_lit.networks.discriminators.multiscale import MultiScalePatchGAN
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput, split_outputs
from pix2pix_lit.networks.discriminators.patchgan import PatchGAN
from pix2pix_lit.networks.generators.resnet import ResNetGenerator
from pix2pix_lit.networks.generators.unet import UNetGenerator

__all__ = [
    "DiscriminatorOutput",
    "MultiScalePatchGAN",
    "PatchGAN",
    "ResNetGenerator",
    "UNetGenerator",
    "split_outputs",
]
