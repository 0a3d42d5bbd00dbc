"""ONNX (opset 18 or newer): for ONNX Runtime, in Python, C++, C#, Java, browsers and phones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.export.graph import INPUT, OUTPUT, program_of, quiet
from pix2pix_lit.export.job import Job
from pix2pix_lit.export.quantization import calibration_inputs
from pix2pix_lit.files.atomic_write import temporary_folder

SUFFIX = ".onnx"
PRECISIONS = ("fp32", "fp16", "int8")  # ONNX Runtime has no convolutions in bf16
IS_GRAPH = True


def write(job: Job, path: str) -> None:
    """One file with the weights inside; the metadata is under ``pix2pix_lit`` in its ``metadata_props``."""
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
        node.metadata_props.clear()  # stack traces with the paths of this machine
    program.model.producer_name, program.model.producer_version = "pix2pix-lit", job.metadata.version
    program.model.doc_string = "Paired image-to-image translation; its pix2pix_lit metadata says what it takes."
    program.model.metadata_props[METADATA_KEY] = job.metadata.to_json()
    program.save(path, external_data=False)
    if job.metadata.precision == "int8":
        _quantize(job, Path(path))


class _Images(CalibrationDataReader):
    def __init__(self, job: Job) -> None:
        self._images = iter(calibration_inputs(job))

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._images, None)
        return None if images is None else {INPUT: images}


def _quantize(job: Job, path: Path) -> None:
    """Weights and inputs of convolutions become int8, each with a scale: of a channel's weights, of all its inputs."""
    with temporary_folder(path.parent) as folder, quiet():
        prepared = folder / "prepared.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
        quantize_static(
            str(prepared),
            str(path),
            _Images(job),
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
