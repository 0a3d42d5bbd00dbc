"""OpenVINO IR, an ``.xml`` file and its ``.bin``: for CPUs, GPUs and NPUs of Intel, and the fastest on most CPUs.

By default, OpenVINO computes in bf16 on CPUs that support it. A program that wants the arithmetic in which the file was
checked must ask for it, as ``_settings`` does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pix2pix_lit.checkpoints.metadata import METADATA_KEY, GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.formats.format import GraphFormat, Job, stored_metadata
from pix2pix_lit.formats.graph import INPUT, OUTPUT, calibration_inputs, program_of, quiet


class OpenVINO(GraphFormat):
    """The metadata is under ``pix2pix_lit`` in the file's runtime information."""

    name = "openvino"
    suffix = ".xml"
    precisions = ("fp32", "fp16", "bf16", "int8")
    writer_packages = ("openvino",)
    reader_packages = ("openvino",)

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by its name and the start of an XML document."""
        try:
            with open(path, "rb") as file:
                return path.suffix.lower() == self.suffix and file.read(512).lstrip().startswith(b"<?xml")
        except OSError:
            return False

    def write(self, job: Job, path: str) -> None:
        """Convert the graph that torch.export traces.

        In fp16 the weights have 16 bits; in bf16 they have 32, since the arithmetic is chosen when the file is
        compiled; int8 is NNCF's static quantisation.

        Raises:
            UserError: for pixels of uint16.
        """
        import openvino

        precision = job.metadata.precision
        types = {job.metadata.input.dtype, job.metadata.target.dtype}
        if job.metadata.takes_images and "uint16" in types:
            raise UserError(
                "embed_preprocessing is true and images are uint16, which OpenVINO does not convert from PyTorch; "
                "expected false, or format=onnx"
            )
        full = Job(job.network, job.metadata.changed(precision="fp32"), job.calibration, job.device)
        with quiet():
            model = openvino.convert_model(program_of(full))
        model.inputs[0].get_tensor().set_names({INPUT})
        model.outputs[0].get_tensor().set_names({OUTPUT})
        if precision == "int8":
            model = self._quantized(model, job)
        for key in ("conversion_parameters", "nncf"):
            if model.has_rt_info(key):
                del model.rt_info[key]
        model.set_rt_info(job.metadata.to_json(), [METADATA_KEY])
        openvino.save_model(model, path, compress_to_fp16=precision == "fp16")

    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """See ``GraphFormat.start``; always runs on the CPU."""
        import openvino

        core = openvino.Core()
        with library_path(path) as name:
            model = core.read_model(name)
        text = model.get_rt_info([METADATA_KEY]).astype(str) if model.has_rt_info([METADATA_KEY]) else None
        metadata = stored_metadata(text, path)
        compiled = core.compile_model(model, "CPU", _settings(metadata))

        def run(x: Tensor) -> Tensor:
            return torch.from_numpy(compiled(x.numpy())[0].copy())

        return ExportedBackend(path, metadata, run, torch.device("cpu"))

    def _quantized(self, model: Any, job: Job) -> Any:
        with quiet():
            self.check_installed(["nncf"], "precision=int8")
            import nncf

            return nncf.quantize(
                model,
                nncf.Dataset(list(calibration_inputs(job))),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(job.calibration),
                fast_bias_correction=True,
            )


def _settings(metadata: GeneratorMetadata) -> dict[str, Any]:
    """Compile for the arithmetic in which a file was checked."""
    hint = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}[metadata.precision]
    return {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
