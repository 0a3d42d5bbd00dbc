"""pix2pix-lit: paired image-to-image translation with a conditional GAN, on PyTorch Lightning and Hydra."""

from importlib.metadata import version

__version__ = version("pix2pix-lit")
