"""Where pairs come from, one file a layout; every one is built as ``source(root=..., split=...)``."""

from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.data.sources.cityscapes_official import CityscapesOfficialSource
from pix2pix_lit.data.sources.derived import DerivedSource
from pix2pix_lit.data.sources.folders import FoldersSource
from pix2pix_lit.data.sources.huggingface import HuggingFaceSource
from pix2pix_lit.data.sources.manifest import ManifestSource
from pix2pix_lit.data.sources.streets import StreetsSource

__all__ = [
    "AlignedSource",
    "CityscapesOfficialSource",
    "DerivedSource",
    "FoldersSource",
    "HuggingFaceSource",
    "ManifestSource",
    "StreetsSource",
]
