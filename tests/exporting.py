"""Generators and their exported files, for the tests of formats, of the export command and of the examples."""

import copy
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from filelock import FileLock
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import nn

from pix2pix_lit.export.__main__ import export
from pix2pix_lit.formats import format_named
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator
from pix2pix_lit.runs.command import CONFIG_DIR

UNET = {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 3, "dropout_blocks": [0]}
SHALLOW = UNET | {"depth": 2}
"""Whose graph is exported in half the time."""
COMPILED = SHALLOW | {"norm_inference": "running"}
"""For AOTInductor, which compiles every layer for seconds."""
RESNET = {"_target_": "pix2pix_lit.networks.ResNetGenerator", "width": 4, "blocks": 1}
CLASSES = ImageType(kind="ids", channels=1, classes=5, palette=[[0, 0, 0], [9, 9, 9], [1, 2, 3], [4, 5, 6], [7, 8, 9]])
FACADES = ImageType(kind="colors", palette="facades")
PARTS = ImageType(kind="colors", palette="facades", instance_edges=True)
DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])
HEIGHT = ImageType(channels=2, dtype="float32", range=[-1, 3])


class Exported(NamedTuple):
    """A file and the checkpoint that it was exported from."""

    checkpoint: Path
    path: Path


def save_checkpoint(
    path: Path, spec: dict, input: ImageType = RGB, target: ImageType = RGB, contrast: float = 3.0, **more: object
) -> Path:
    """Save a generator whose outputs span many gray levels: its last weights are multiplied by ``contrast``."""
    torch.manual_seed(0)
    kind = UNetGenerator if spec["_target_"].endswith("UNetGenerator") else ResNetGenerator
    arguments = {key: value for key, value in spec.items() if key != "_target_"}
    generator = kind(input.network_channels, target.network_channels, **arguments)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    last = generator.decoder[-1].conv if kind is UNetGenerator else generator.head
    last.weight.data *= contrast
    hyper_parameters = {"generator": spec, "input": input.as_dict(), "target": target.as_dict()}
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights, "global_step": 7, **more}, path)
    return path


@functools.cache
def _export_config() -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("export")


@functools.cache
def _speed_up(format: str) -> None:
    """Spare PyTorch's exporters what takes seconds and changes no result."""
    if format == "onnx":
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        # It reads the source of all operators.
        ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    elif format == "aotinductor":
        import torch._inductor.config as inductor

        inductor.aot_inductor.compile_wrapper_opt_level = "O0"
        inductor.aot_inductor.enable_line_tables = False
        inductor.aot_inductor.precompile_headers = False  # for one package
        inductor.cpp.simdlen = 1  # without vectors, whose headers take as long to compile as all others


def run_export(checkpoint: Path | None, folder: Path, format: str = "onnx", **settings: object) -> Path:
    """Export with these settings, compared on two images and not timed by default; the file."""
    for package in format_named(format).writer_packages:
        pytest.importorskip(package)
    _speed_up(format)
    config = copy.deepcopy(_export_config())
    output = folder / f"model{format_named(format).suffix}"
    defaults = {"ckpt": checkpoint and str(checkpoint), "output": str(output), "rounds": 0, "count": 2}
    for key, value in {"format": format, **defaults, **settings}.items():
        config[key] = value
    export(config)
    return Path(config.output)


def shared_exports(root: Path) -> Callable[..., Exported]:
    """A function that exports once for every set of arguments, also if several processes test; its files are read-only.

    Its arguments are the format, those of ``save_checkpoint`` (``more`` as a dictionary), and settings of the export.
    """

    def exported(
        format: str,
        spec: dict[str, Any] = UNET,
        input: ImageType = RGB,
        target: ImageType = RGB,
        contrast: float = 3.0,
        more: dict[str, Any] | None = None,
        **settings: object,
    ) -> Exported:
        key = repr((format, spec, input, target, contrast, more, settings))
        folder = root / hashlib.sha256(key.encode()).hexdigest()[:16]
        found = Exported(folder / "x.ckpt", folder / "out" / f"model{format_named(format).suffix}")
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not found.path.exists():
                folder.mkdir(exist_ok=True)
                save_checkpoint(found.checkpoint, spec, input, target, contrast, **more or {})
                run_export(found.checkpoint, folder / "out", format, **settings)
        return found

    return exported


def noise(image_type: ImageType, *sides: int, seed: int = 0) -> np.ndarray:
    """(*sides, planes) of a type."""
    rng = np.random.default_rng(seed)
    shape = (*sides, image_type.planes)
    if image_type.classes is not None:
        return rng.integers(0, image_type.classes, shape).astype(image_type.dtype)
    pixels = rng.uniform(*image_type.limits, shape).astype(image_type.dtype)
    if image_type.instance_edges:
        pixels[..., -1] = 255 * rng.integers(0, 2, shape[:-1])
    return pixels


def levels_apart(a: np.ndarray, b: np.ndarray, target: ImageType) -> float:
    """The largest difference of two pixels in gray levels; of class numbers, the share of pixels that differ."""
    if target.classes is not None:
        return float((a != b).mean())
    low, high = target.limits
    return float(np.abs(a.astype(float) - b.astype(float)).max()) * 255 / (high - low)
