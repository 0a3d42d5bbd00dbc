"""A trained generator as a file for other programs, each checked against the generator: python -m pix2pix_lit.export.

One module a format. Each has ``SUFFIX``, what its files are called; ``PRECISIONS``, what it can be written in;
``IS_GRAPH``, whether its files hold the arithmetic and not the weights alone; and ``write(job, path)``.
"""

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from pix2pix_lit.checks import check_choice
from pix2pix_lit.errors import UserError

if TYPE_CHECKING:
    from pix2pix_lit.export.job import Job

FORMATS = (
    "onnx",
    "openvino",
    "torch_export",
    "aotinductor",
    "torchscript",
    "safetensors",
    "checkpoint",
    "reference",
)


class Format(Protocol):
    """What the module of a format has."""

    SUFFIX: str
    PRECISIONS: tuple[str, ...]
    IS_GRAPH: bool

    def write(self, job: "Job", path: str) -> None:
        """Write ``job`` to the file ``path``, whose folder exists."""
        ...


def format_named(name: str) -> Format:
    """The module of a format.

    Raises:
        UserError: for another name than those of ``FORMATS``, and if what it needs is not installed.
    """
    check_choice("format", name, FORMATS)
    try:
        return cast(Format, importlib.import_module(f"pix2pix_lit.export.{name}"))
    except ImportError as error:
        if str(error.name or "").startswith("pix2pix_lit"):
            raise
        raise UserError(
            f"format={name} needs the module {error.name}, which is not installed; expected the extra packages: pip "
            f'install "pix2pix-lit[{name}]"'
        ) from error
