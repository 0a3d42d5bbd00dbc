"""OpenVINO IR, an ``.xml`` file and its ``.bin``: for CPUs, GPUs and NPUs of Intel, and the fastest on most CPUs.

OpenVINO takes bf16 by itself where a CPU has it. Who wants the arithmetic that the file was checked in tells it so, as
``inference.runtimes.openvino_settings`` does.
"""

import openvino

from pix2pix_lit.checkpoints.metadata import METADATA_KEY
from pix2pix_lit.errors import UserError
from pix2pix_lit.export.graph import INPUT, OUTPUT, program_of, quiet
from pix2pix_lit.export.job import Job
from pix2pix_lit.export.quantization import calibration_inputs

SUFFIX = ".xml"
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
IS_GRAPH = True


def write(job: Job, path: str) -> None:
    """The metadata is under ``pix2pix_lit`` in the file's runtime information.

    Files of fp16 have weights of 16 bits; those of bf16 have weights of 32, since the arithmetic is chosen when they
    are compiled; int8 is NNCF's static quantisation.
    """
    precision = job.metadata.precision
    types = {job.metadata.input.dtype, job.metadata.target.dtype}
    if job.metadata.takes_images and "uint16" in types:
        raise UserError(
            "embed_preprocessing is true, but images are of uint16, which OpenVINO does not take over from PyTorch; "
            "expected false, or format=onnx"
        )
    full = Job(job.network, job.metadata.changed(precision="fp32"), job.calibration, job.device)
    with quiet():
        model = openvino.convert_model(program_of(full))
    model.inputs[0].get_tensor().set_names({INPUT})
    model.outputs[0].get_tensor().set_names({OUTPUT})
    if precision == "int8":
        model = _quantized(model, job)
    for key in ("conversion_parameters", "nncf"):
        if model.has_rt_info(key):
            del model.rt_info[key]
    model.set_rt_info(job.metadata.to_json(), [METADATA_KEY])
    openvino.save_model(model, path, compress_to_fp16=precision == "fp16")


def _quantized(model: openvino.Model, job: Job) -> openvino.Model:
    import nncf

    with quiet():
        return nncf.quantize(
            model,
            nncf.Dataset(list(calibration_inputs(job))),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(job.calibration),
            fast_bias_correction=True,
        )
