"""How good translated images are."""

from pix2pix_lit.metrics.paired import BETTER, PairedMetrics

__all__ = ["BETTER", "PairedMetrics"]
