"""Translate an RGB image with a file of format=aotinductor: python aotinductor_load.py model.aoti.pt2 in.png out.png

WARNING: such a file is machine code, which runs with all of your rights. Load a file only if you trust its author.

The file must have embed_preprocessing=true, and be compiled for a CPU with the same instructions as this one.
"""

import sys

import numpy as np
import torch
import torch._inductor
from PIL import Image, ImageOps

model, source, target = sys.argv[1:]
package = torch._inductor.aoti_load_package(model)
image = np.array(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))  # upright, (H, W, 3) uint8
with torch.inference_mode():
    generated = package(torch.from_numpy(image)[None])
Image.fromarray(generated[0].numpy()).save(target)
