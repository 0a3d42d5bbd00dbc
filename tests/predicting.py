"""A small generator and images for the tests of predict.py."""

import functools
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.inference import Translator
from pix2pix_lit.inference.resume import RECORD
from pix2pix_lit.networks import UNetGenerator
from pix2pix_lit.runs.command import CONFIG_DIR

DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])
CLASSES = ImageType(kind="ids", channels=1, classes=5, values=[0, 50, 100, 150, 200])


def save_checkpoint(tmp_path: Path, input: ImageType = RGB, target: ImageType = RGB) -> Path:
    torch.manual_seed(0)
    spec = {"width": 4, "depth": 3, "dropout_blocks": [0]}
    generator = UNetGenerator(in_channels=input.network_channels, out_channels=target.network_channels, **spec)
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    hyper_parameters = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    hyper_parameters |= {"input": input.as_dict(), "target": target.as_dict()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


@functools.cache
def _predict_config() -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        return compose("predict")


def config_of(tmp_path: Path, **changes) -> DictConfig:
    defaults = {
        "ckpt": f"{tmp_path}/x.ckpt",
        "input": f"{tmp_path}/in",
        "output": f"{tmp_path}/out",
        "batch_size": 4,
        "num_workers": 0,
        "device": "cpu",
    }
    return OmegaConf.merge(_predict_config(), {**defaults, **changes})


def write_inputs(tmp_path: Path, sizes: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    images = {}
    for seed, (name, size) in enumerate(sizes.items()):
        images[name] = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
        write_image(tmp_path / "in" / name, images[name])
    return images


def translate(checkpoint: Path, image: np.ndarray) -> np.ndarray:
    images = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    return Translator.load(checkpoint)(images)[0].permute(1, 2, 0).numpy()


def files_below(folder: Path) -> list[str]:
    """All files but the hidden record of what they were made by."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return sorted(names - {RECORD})
