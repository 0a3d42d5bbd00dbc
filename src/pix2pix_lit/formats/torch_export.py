"""torch.export: PyTorch's own graphs, for programs with PyTorch but without this package, and for its compilers."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.formats.format import GraphFormat, Job, stored_metadata
from pix2pix_lit.formats.graph import program_of

_METADATA_FILE = f"{METADATA_KEY}.json"
_PROGRAMS = ("models/model.json", "serialized_exported_program.json")  # the second: of PyTorch before 2.8


class TorchExport(GraphFormat):
    """The metadata is the extra file ``pix2pix_lit.json``."""

    name = "torch_export"
    suffix = ".pt2"
    precisions = ("fp32", "fp16", "bf16")
    runs_code = True

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by the program in its zip archive."""
        return any(name.endswith(_PROGRAMS) for name in zip_entries)

    def write(self, job: Job, path: str) -> None:
        """Write the program without its example inputs, which can be larger than the weights of a small network."""
        program = program_of(job)
        program.example_inputs = None
        torch.export.save(program, path, extra_files={_METADATA_FILE: job.metadata.to_json()})

    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """See ``GraphFormat.start``."""
        from torch.export.passes import move_to_device_pass

        files = {_METADATA_FILE: ""}
        with library_path(path) as name:
            program = torch.export.load(name, extra_files=files)
        metadata = stored_metadata(files[_METADATA_FILE], path)
        module = move_to_device_pass(program, str(device)).module()
        return ExportedBackend(path, metadata, torch.inference_mode()(module), device)
