"""Translate an RGB image with a file of format=openvino: python openvino_runtime.py model.xml in.png out.png

The file must have embed_preprocessing=true, and its .bin must be in the same folder.
"""

import sys

import numpy as np
from PIL import Image, ImageOps

sys.modules["openvino_telemetry"] = None  # otherwise importing OpenVINO reports to Google Analytics
import openvino  # noqa: E402

model, source, target = sys.argv[1:]
# By default, OpenVINO computes in bf16 on CPUs that support it, which gives slightly different gray levels than the
# check of the export. Files with precision=fp16 and bf16 were checked in "f16" and "bf16".
settings = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.Core().compile_model(model, "CPU", settings)
image = np.asarray(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))  # upright, (H, W, 3) uint8
generated = compiled({"images": image[None]})["generated"]
Image.fromarray(generated[0]).save(target)
