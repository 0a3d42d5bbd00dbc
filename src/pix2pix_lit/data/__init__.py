"""Disk -> batch: sources of pairs, paired augmentation, loaders."""

from pix2pix_lit.data.datamodule import PairsDataModule

__all__ = ["PairsDataModule"]
