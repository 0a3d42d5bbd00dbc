"""Translate an RGB image with a file of format=openvino: python openvino_runtime.py model.xml in.png out.png

The file is of embed_preprocessing=true, and its .bin lies beside it.
"""

import sys

import numpy as np
from PIL import Image, ImageOps

sys.modules["openvino_telemetry"] = None  # or importing OpenVINO tells Google Analytics
import openvino  # noqa: E402

model, source, target = sys.argv[1:]
# Left alone, OpenVINO computes in bf16 on CPUs that have it, and generates other gray levels than the file was checked
# for. Files of precision=fp16 and bf16 are checked in "f16" and "bf16".
settings = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.Core().compile_model(model, "CPU", settings)
image = np.asarray(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))  # upright, (H, W, 3) uint8
generated = compiled({"images": image[None]})["generated"]
Image.fromarray(generated[0]).save(target)
