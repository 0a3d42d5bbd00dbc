"""ONNX (opset 18 or newer): for ONNX Runtime, in Python, C++, C#, Java, browsers and phones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.files.atomic_write import temporary_folder
from pix2pix_lit.files.names import library_path
from pix2pix_lit.formats.backends import ExportedBackend
from pix2pix_lit.formats.format import GraphFormat, Job, stored_metadata
from pix2pix_lit.formats.graph import INPUT, OUTPUT, calibration_inputs, program_of, quiet


class ONNX(GraphFormat):
    """A single file including its weights; the metadata is under ``pix2pix_lit`` in its ``metadata_props``."""

    name = "onnx"
    suffix = ".onnx"
    precisions = ("fp32", "fp16", "int8")  # ONNX Runtime has no bf16 convolutions
    writer_packages = ("onnx", "onnx_ir", "onnxscript", "onnxruntime")
    reader_packages = ("onnxruntime",)

    def recognises(self, path: Path, zip_entries: Sequence[str]) -> bool:
        """Recognised by its name: protobuf messages have no magic number."""
        return path.suffix.lower() == self.suffix

    def write(self, job: Job, path: str) -> None:
        """Convert the graph that torch.export traces."""
        import onnx_ir

        with quiet():
            program = torch.onnx.export(
                program_of(job), (), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
            )
        assert program is not None
        sides = ("batch", "height", "width", "") if job.metadata.takes_images else ("batch", "", "height", "width")
        for value in (*program.model.graph.inputs, *program.model.graph.outputs):
            assert value.shape is not None
            value.shape = onnx_ir.Shape([side or size for side, size in zip(sides, value.shape, strict=True)])
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # stack traces with paths of this machine
        program.model.producer_name, program.model.producer_version = "pix2pix-lit", job.metadata.version
        program.model.doc_string = "Paired image-to-image translation; the pix2pix_lit metadata describes its inputs."
        program.model.metadata_props[METADATA_KEY] = job.metadata.to_json()
        program.save(path, external_data=False)
        if job.metadata.precision == "int8":
            _quantize(job, Path(path))

    def start(self, path: Path, device: torch.device) -> ExportedBackend:
        """See ``GraphFormat.start``; always runs on the CPU."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        with library_path(path) as name:
            session = onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
        metadata = stored_metadata(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)
        input_name = session.get_inputs()[0].name

        def run(x: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {input_name: x.numpy()})[0])

        return ExportedBackend(path, metadata, run, torch.device("cpu"))


def _quantize(job: Job, path: Path) -> None:
    """Quantise weights and inputs of convolutions to int8: one scale per channel of weights, one for all inputs."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images = calibration_inputs(job)

        def get_next(self) -> dict[str, np.ndarray] | None:
            images = next(self.images, None)
            return None if images is None else {INPUT: images}

    with temporary_folder(path.parent) as folder, quiet():
        prepared = folder / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
        quantize_static(
            str(prepared),
            str(path),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "ConvTranspose"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=options,
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: job.metadata.to_json()})
    onnx.save(model, path)
