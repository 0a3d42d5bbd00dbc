"""How good translated images are."""

from pix2pix_lit.metrics.paired import PairedMetrics

__all__ = ["PairedMetrics"]
