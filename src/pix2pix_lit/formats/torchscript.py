"""TorchScript: for C++ and mobile programs with a libtorch that is older than torch.export."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.formats.format import GraphFormat, Job, stored_metadata
from pix2pix_lit.formats.graph import example_of, graph_of, quiet

_METADATA_FILE = f"{METADATA_KEY}.json"


class TorchScript(GraphFormat):
    """The metadata is the extra file ``pix2pix_lit.json``."""

    name = "torchscript"
    suffix = ".torchscript.pt"
    precisions = ("fp32", "fp16", "bf16")
    runs_code = True

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by the code in its zip archive."""
        return any(name.endswith("/code/.data/ts_code") or "/code/__torch__" in name for name in zip_entries)

    def write(self, job: Job, path: str) -> None:
        """Trace and freeze, without the warnings about a deprecated exporter and about free sizes in traces."""
        with quiet(), torch.no_grad():
            traced = torch.jit.freeze(torch.jit.trace(graph_of(job), example_of(job), check_trace=False))
            torch.jit.save(traced, path, _extra_files={_METADATA_FILE: job.metadata.to_json()})

    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """See ``GraphFormat.start``."""
        files = {_METADATA_FILE: ""}
        with warnings.catch_warnings(), library_path(path) as name:
            warnings.simplefilter("ignore", FutureWarning)  # deprecated, but still needed by some programs
            module = torch.jit.load(name, map_location=device, _extra_files=files)
        metadata = stored_metadata(files[_METADATA_FILE], path)
        return ExportedBackend(path, metadata, torch.inference_mode()(module), device)
