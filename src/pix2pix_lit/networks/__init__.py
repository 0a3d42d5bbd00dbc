"""Generators and discriminators: tensor in, tensor out; plain torch.nn, no Lightning and no configuration."""

from pix2pix_lit.networks.discriminators.discriminator import Discriminator
from pix2pix_lit.networks.discriminators.multiscale import MultiScalePatchGAN
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput, split_outputs
from pix2pix_lit.networks.discriminators.patchgan import PatchGAN
from pix2pix_lit.networks.generators.generator import Generator, SamplingGenerator
from pix2pix_lit.networks.generators.resnet import ResNetGenerator
from pix2pix_lit.networks.generators.segmenter import Segmenter
from pix2pix_lit.networks.generators.unet import UNetGenerator

__all__ = [
    "Discriminator",
    "DiscriminatorOutput",
    "Generator",
    "MultiScalePatchGAN",
    "PatchGAN",
    "ResNetGenerator",
    "SamplingGenerator",
    "Segmenter",
    "UNetGenerator",
    "split_outputs",
]
