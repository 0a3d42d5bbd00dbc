"""Where pairs come from, one file a layout; every one is built as ``source(root=..., split=...)``."""

from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.data.sources.folders import FoldersSource
from pix2pix_lit.data.sources.streets import StreetsSource

__all__ = ["AlignedSource", "FoldersSource", "StreetsSource"]
