"""safetensors: a format that can hold only tensors and text; the text describes the network."""

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
from torch import Tensor

from pix2pix_lit.checkpoints.metadata import METADATA_KEY, GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import DTYPES
from pix2pix_lit.formats.format import Job, WeightsFormat


class Safetensors(WeightsFormat):
    """The metadata is under ``pix2pix_lit`` in the file's own metadata."""

    name = "safetensors"
    suffix = ".safetensors"
    precisions = ("fp32", "fp16", "bf16")

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by its name, or by its start: the length of a JSON header, and the header's first brace."""
        if path.suffix.lower() == self.suffix:
            return True
        try:
            with open(path, "rb") as file:
                start = file.read(9)
        except OSError:
            return False
        return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= 2**27

    def write(self, job: Job, path: str) -> None:
        """Write the weights in the precision of the job; integers are not converted."""
        dtype = DTYPES[job.metadata.precision]
        weights = {
            name: (value.to(dtype) if value.is_floating_point() else value).contiguous()
            for name, value in job.network.state_dict().items()
        }
        # save_file would create a file that only its owner can read.
        Path(path).write_bytes(safetensors.torch.save(weights, {METADATA_KEY: job.metadata.to_json()}))

    def read(self, path: Path) -> tuple[GeneratorMetadata, dict[str, Tensor]]:
        """See ``WeightsFormat.read``."""
        try:
            with library_path(path) as name, safetensors.safe_open(name, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be read ({error}); expected an intact file of safetensors: get another copy"
            ) from error
        if METADATA_KEY not in metadata:
            raise UserError(
                f"{path} does not describe its generator (its metadata: {', '.join(metadata) or 'none'}); expected a "
                f"file written by pix2pix-lit export format=safetensors"
            )
        return GeneratorMetadata.from_json(metadata[METADATA_KEY], path), weights
