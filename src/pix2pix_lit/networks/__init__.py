"""Generators and discriminators: tensor in, tensor out; plain torch.nn, no Lightning and no configuration."""

from pix2pix_lit.networks.judgement import Judgement, split_judgements
from pix2pix_lit.networks.multiscale import MultiScalePatchGAN
from pix2pix_lit.networks.patchgan import PatchGAN
from pix2pix_lit.networks.resnet import ResNetGenerator
from pix2pix_lit.networks.unet import UNetGenerator

__all__ = [
    "Judgement",
    "MultiScalePatchGAN",
    "PatchGAN",
    "ResNetGenerator",
    "UNetGenerator",
    "split_judgements",
]
