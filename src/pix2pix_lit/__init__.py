"""pix2pix-lit: paired image-to-image translation with a conditional GAN, on PyTorch Lightning and Hydra."""

import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pix2pix_lit.inference.translator import Translator

# This package opens no connection on its own. By default, albumentations looks for a newer release when it is imported,
# and OpenVINO and NNCF report to Google Analytics through a package that both can do without. Their own way to opt out,
# a file in the home folder, is reported as well.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__version__ = version("pix2pix-lit")
__all__ = ["Translator", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported on first use, since it imports torch, which --help does not need.
    if name == "Translator":
        from pix2pix_lit.inference.translator import Translator

        return Translator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
