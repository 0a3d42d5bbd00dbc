"""Disk -> batch: sources of pairs, paired augmentation, loaders."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pix2pix_lit.data.datamodule import PairsDataModule

__all__ = ["PairsDataModule"]


def __getattr__(name: str) -> Any:
    # Imported on first use, since it imports torch, which --help of the commands in this package does not need.
    if name == "PairsDataModule":
        from pix2pix_lit.data.datamodule import PairsDataModule

        return PairsDataModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
