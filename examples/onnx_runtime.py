"""Translate an RGB image with a file of format=onnx: python onnx_runtime.py model.onnx in.png out.png"""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
image = np.asarray(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))  # upright, (H, W, 3) uint8
(generated,) = session.run(["generated"], {"images": image[None]})
Image.fromarray(generated[0]).save(target)

# With embed_preprocessing=false, inputs and outputs are floats from -1 to 1, (N, channels, H, W), whose sides are
# multiples of a number in the file's metadata. Other images are padded by reflection, and the result is cropped:
#
#     import json
#
#     metadata = json.loads(session.get_modelmeta().custom_metadata_map["pix2pix_lit"])
#     height, width = image.shape[:2]
#     missing = [max(-side % metadata["size_multiple"], metadata["smallest_side"] - side) for side in (height, width)]
#     padded = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
#     floats = padded.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
#     (generated,) = session.run(["generated"], {"images": floats})
#     pixels = ((generated + 1) * 127.5).round().clip(0, 255).astype(np.uint8)[..., :height, :width]
#     Image.fromarray(pixels[0].transpose(1, 2, 0)).save(target)
