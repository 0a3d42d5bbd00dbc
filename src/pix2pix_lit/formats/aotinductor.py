"""AOTInductor: compiled for one kind of CPU or GPU, for C++ or Python programs; nothing is traced at run time."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.formats.format import GraphFormat, Job, stored_metadata
from pix2pix_lit.formats.graph import program_of, quiet
from pix2pix_lit.internals.torch import compile_ahead_of_time, load_ahead_of_time


class AOTInductor(GraphFormat):
    """The metadata is in the package's own metadata."""

    name = "aotinductor"
    suffix = ".aoti.pt2"
    precisions = ("fp32", "fp16", "bf16")
    runs_code = True

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by the library in its zip archive."""
        libraries = (name for name in zip_entries if name.endswith((".so", ".pyd", ".dll")))
        return any("/data/aotinductor/" in f"/{name}" for name in libraries)

    def write(self, job: Job, path: str) -> None:
        """Compile; needs a C++ compiler. The package contains its command line, with paths of this machine."""
        with quiet(), torch.no_grad():
            compile_ahead_of_time(program_of(job), path, {METADATA_KEY: job.metadata.to_json()})

    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """See ``GraphFormat.start``."""
        with library_path(path) as name:
            package = load_ahead_of_time(name)
        stored = package.get_metadata()
        metadata = stored_metadata(stored.get(METADATA_KEY), path)
        compiled_for = torch.device(stored.get("AOTI_DEVICE_KEY", "cpu")).type
        if compiled_for != device.type:
            raise UserError(f"{path} was compiled for {compiled_for}; expected device={compiled_for}, or another file")
        return ExportedBackend(path, metadata, torch.inference_mode()(package), device)
