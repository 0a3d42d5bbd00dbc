"""The base classes of file formats: a name, a suffix, a writer and a reader."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoints.checksums import verify_export
from pix2pix_lit.checkpoints.loading import build_generator, check_regular_file
from pix2pix_lit.checkpoints.metadata import GeneratorMetadata, Precision
from pix2pix_lit.errors import UserError
from pix2pix_lit.formats.backends import Backend, ExportedBackend, TorchBackend, first_line, in_precision
from pix2pix_lit.networks.layers.norm import InferenceStatistics


@dataclass(frozen=True)
class Job:
    """A generator to write to a file.

    Args:
        network: in eval mode, float32, on the CPU.
        metadata: of the file to write, including its precision and ``takes_images``.
        calibration: (H, W, planes) images of the network's input type, for measuring the ranges of int8.
        device: the device to compile for, in formats that are compiled.
    """

    network: nn.Module
    metadata: GeneratorMetadata
    calibration: list[np.ndarray] = field(default_factory=list)
    device: str = "cpu"


@dataclass(frozen=True)
class Opening:
    """How to open a file.

    Args:
        device: to run it on, if its runtime leaves the choice.
        precision: of the arithmetic; None for float32, or what a graph was exported with.
        norm_inference: ``per_image`` or ``running``; None for what the file says.
        trusted: whether files that can run code may be opened.
    """

    device: torch.device
    precision: str | None = None
    norm_inference: InferenceStatistics | None = None
    trusted: bool = False


class Format(ABC):
    """A file format that holds a generator.

    Importing the module of a format imports none of ``writer_packages`` and ``reader_packages``, since recognising a
    file needs neither.

    Attributes:
        name: of the format, as in ``format=onnx``, and of the extra (``pip install "pix2pix-lit[NAME]"``) with its
            packages.
        suffix: of its files.
        precisions: those it can be written in.
        writer_packages: modules of other packages that ``write`` imports.
        reader_packages: modules of other packages that ``open`` imports.
        runs_code: whether opening a file can run code in it, which requires trust.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]
    writer_packages: ClassVar[tuple[str, ...]] = ()
    reader_packages: ClassVar[tuple[str, ...]] = ()
    runs_code: ClassVar[bool] = False

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Whether an existing regular file is of this format; never raises.

        ``zip_entries`` are the names in it if it is a zip archive.

        False for the formats that are read as ``checkpoint``, which every file is taken for that no format recognises.
        """
        return False

    @abstractmethod
    def write(self, job: Job, path: str) -> None:
        """Write ``job`` to the file ``path``, whose folder exists."""

    @abstractmethod
    def open(self, path: Path, how: Opening) -> tuple[Backend, GeneratorMetadata]:
        """Open a file, after its checksums are verified.

        Args:
            path: the file.
            how: device, precision, inference mode and trust.

        Raises:
            UserError: if the file is damaged, differs from its checksum or was not written by this project; if a
                package is missing; if it must be trusted and is not; and if it lacks the precision or inference mode.
        """

    def check_installed(self, packages: Iterable[str], user: object) -> None:
        """Import packages.

        Args:
            packages: from ``writer_packages`` or ``reader_packages``.
            user: the format or file that needs them, for the message.

        Raises:
            UserError: if one is not installed.
        """
        try:
            for package in packages:
                importlib.import_module(package)
        except ImportError as error:
            raise UserError(
                f"{user} needs the module {error.name}, which is not installed; expected the extra packages: pip "
                f'install "pix2pix-lit[{self.name}]"'
            ) from error


class WeightsFormat(Format):
    """A format that holds weights and the arguments of their network."""

    @abstractmethod
    def read(self, path: Path) -> tuple[GeneratorMetadata, dict[str, Tensor]]:
        """The metadata and the weights in a file, as ``build_generator`` takes them.

        Raises:
            UserError: if the file is damaged or does not hold a generator.
        """

    def load(
        self, path: Path, norm_inference: InferenceStatistics | None = None
    ) -> tuple[nn.Module, GeneratorMetadata]:
        """The network in a file, in float32 and eval mode, on the CPU.

        Raises:
            UserError: as ``read`` and ``build_generator``, and if the file differs from its checksum.
        """
        check_regular_file(path)
        verify_export(path)
        return build_generator(*self.read(path), path, norm_inference)

    def open(self, path: Path, how: Opening) -> tuple[TorchBackend, GeneratorMetadata]:
        """See ``Format.open``; ``precision`` is ``fp32``, ``fp16`` or ``bf16``, for files of any precision."""
        network, metadata = self.load(path, how.norm_inference)
        return TorchBackend(in_precision(network, how.precision or "fp32", how.device)), metadata


class GraphFormat(Format):
    """A format that holds the traced graph of a generator, which a runtime executes."""

    @abstractmethod
    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """Open a file in its runtime; raises the runtime's own exceptions."""

    def open(self, path: Path, how: Opening) -> tuple[ExportedBackend, GeneratorMetadata]:
        """See ``Format.open``; a graph has only one precision and inference mode."""
        verify_export(path)
        self.check_installed(self.reader_packages, path)
        if self.runs_code and not how.trusted:
            raise UserError(
                f"{path} is a file of {self.name}, which can run code when it is opened; expected trusted=True, if you "
                f"trust its author, or a format that cannot run code: a checkpoint, safetensors, ONNX, OpenVINO"
            )
        try:
            backend = self.start(path, how.device)
        except UserError:
            raise
        except Exception as error:  # every runtime has its own exceptions
            raise UserError(
                f"{path} cannot be opened as {self.name} ({type(error).__name__}: {first_line(error)}); expected an "
                f"intact file that pix2pix-lit export wrote for this machine: get another copy, or export "
                f"it again"
            ) from error
        metadata = backend.metadata
        for name, asked, has in (
            ("precision", how.precision, metadata.precision),
            ("norm_inference", how.norm_inference, metadata.norm_inference),
        ):
            if asked not in (None, has):
                raise UserError(
                    f"{name} is {asked}, but {path} was exported with {name}={has}; expected null: for another one, "
                    f"export it again from its checkpoint"
                )
        return backend, metadata


def stored_metadata(text: str | bytes | None, path: Path) -> GeneratorMetadata:
    """The metadata of an exported file from its JSON.

    Raises:
        UserError: if there is none, or if it is damaged.
    """
    if not text:
        raise UserError(
            f"{path} has no metadata about its inputs and outputs; expected a file written by pix2pix-lit export"
        )
    return GeneratorMetadata.from_json(text.decode() if isinstance(text, bytes) else text, path)
