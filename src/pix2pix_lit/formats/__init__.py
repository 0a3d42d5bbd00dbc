"""The file formats of trained generators: one module each, with its writer and reader.

To add a format, add a module with a subclass of ``WeightsFormat`` or ``GraphFormat`` to this folder.
"""

import importlib
import inspect
import os
import pkgutil
import zipfile
from functools import cache
from pathlib import Path

from torch import nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.checks import check_choice
from pix2pix_lit.errors import UserError
from pix2pix_lit.formats.format import Format, WeightsFormat
from pix2pix_lit.networks.layers.norm import InferenceStatistics


@cache
def all_formats() -> dict[str, Format]:
    """Every format by its name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    classes = [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Format) and kind.__module__ == module.__name__ and not inspect.isabstract(kind)
    ]
    return {kind.name: kind() for kind in classes}


def format_named(name: str) -> Format:
    """The format with this name.

    Raises:
        UserError: if there is none.
    """
    check_choice("format", name, [*all_formats()])
    return all_formats()[name]


def format_of(path: Path) -> Format:
    """The format of a file; ``checkpoint``, whose reader explains what is wrong, if no format recognises it."""
    formats = all_formats()
    if not path.is_file():  # a FIFO is not opened: that would wait for a writer
        return formats["checkpoint"]
    entries = zip_entries(path)
    return next((format for format in formats.values() if format.recognises(path, entries)), formats["checkpoint"])


def zip_entries(path: Path) -> list[str]:
    """Names of the entries of a zip archive; empty if it is damaged or not a zip archive."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.namelist()
    except Exception:  # damaged; the reader of checkpoints explains how
        return []


def load_generator(
    path: str | os.PathLike[str], norm_inference: InferenceStatistics | None = None
) -> tuple[nn.Module, GeneratorMetadata]:
    """The generator of a file that holds weights, on the CPU, in eval mode, and its metadata.

    In eval mode, dropout is off, and the stored ``norm_inference`` determines the norm statistics.

    Args:
        path: a checkpoint, safetensors, or a generator file of the reference implementation.
        norm_inference: ``per_image`` or ``running`` to override the file's inference mode.

    Raises:
        UserError: as ``WeightsFormat.load``, and for a file of a format that holds a graph.
    """
    path = Path(path)
    format = format_of(path)
    if not isinstance(format, WeightsFormat):
        raise UserError(
            f"{path} is a file of {format.name}, which holds a graph, not a network; expected a checkpoint, "
            f"safetensors, or a generator file of the reference implementation"
        )
    return format.load(path, norm_inference)
