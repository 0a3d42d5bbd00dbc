"""pix2pix-lit: paired image-to-image translation with a conditional GAN, on PyTorch Lightning and Hydra."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pix2pix_lit.inference.translator import Translator

__version__ = version("pix2pix-lit")
__all__ = ["Translator", "__version__"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for, since it brings torch, which --help has no need of.
    if name == "Translator":
        from pix2pix_lit.inference.translator import Translator

        return Translator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
