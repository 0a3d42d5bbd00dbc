"""A checkpoint -> a ready generator; a file from a stranger runs no code."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import ImageType
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator

GENERATORS: dict[str, type[nn.Module]] = {
    f"pix2pix_lit.networks.{network.__name__}": network for network in (UNetGenerator, ResNetGenerator)
}
"""The only classes that are built from what a checkpoint says, by the ``_target_`` that they have in configs."""


def read_checkpoint(path: str | os.PathLike[str], *, on_disk: bool = False) -> dict[str, Any]:
    """The dictionary in a checkpoint file, its tensors on the CPU.

    Only tensors and plain values are unpickled (``weights_only=True``). The whole file is compared with its checksums,
    which ``torch.load`` does not look at.

    Args:
        path: the file.
        on_disk: leave the tensors in the file, to be read when they are looked at.

    Raises:
        UserError: if the file is missing, damaged, no checkpoint, or holds any other kind of object.
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{path} {found}; expected a checkpoint file such as outputs/.../checkpoints/last.ckpt")
    try:
        is_zip = zipfile.is_zipfile(path)
        if is_zip:
            with zipfile.ZipFile(path) as file:
                damaged = file.testzip()
            if damaged is not None:
                raise ValueError(f"the checksum of {damaged} is wrong")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=on_disk and is_zip)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("WeightsUnpickler error:")[2].strip().split("\n")[0] or "not tensors alone"
        raise UserError(
            f"{path} is refused: it is damaged or holds more than tensors and plain values, which could run code "
            f"when loaded ({reason}); expected a checkpoint written by pix2pix-lit: get an intact copy"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__} {str(error).partition(chr(10))[0]}".strip()
        raise UserError(
            f"{path} cannot be read ({reason}); expected an intact checkpoint: get another copy, or take the "
            f"checkpoint saved before it"
        ) from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"{path} holds a {type(checkpoint).__name__}; expected a checkpoint written by pix2pix-lit")
    return checkpoint


class StoredGenerator(NamedTuple):
    """The generator of a checkpoint, with what its images are."""

    network: nn.Module
    input_type: ImageType
    target_type: ImageType


def load_generator(path: str | os.PathLike[str]) -> StoredGenerator:
    """The generator of a checkpoint, on the CPU, in eval mode: the path is all it takes.

    Its weights are their moving average, if training kept one. Eval mode is the inference mode of the project: no
    dropout, and norm statistics as the generator's stored ``norm_inference`` says.

    Raises:
        UserError: as ``read_checkpoint``, and if the stored network is none of ``GENERATORS`` or does not fit
            its weights.
    """
    checkpoint = read_checkpoint(path)
    try:
        stored = checkpoint["hyper_parameters"]
        spec, input, target = (dict(stored[name]) for name in ("generator", "input", "target"))
        state = checkpoint["state_dict"]
        prefix = "generator_ema." if any(key.startswith("generator_ema.") for key in state) else "generator."
        weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} does not say which generator it holds and for which images (its keys: "
            f"{', '.join(map(str, checkpoint))}); expected a checkpoint written by this version of pix2pix-lit: train "
            f"anew if an older one wrote it"
        ) from error
    name = spec.pop("_target_", None)
    if not isinstance(name, str) or name not in GENERATORS:
        raise UserError(
            f"{path} asks for the class {name!r}; only {', '.join(GENERATORS)} are built from a checkpoint, so that "
            f"a file from a stranger runs no code. For a network of your own, build it in Python and load the "
            f"'generator.' tensors of the file's 'state_dict' into it"
        )
    try:
        types = ImageType(**input), ImageType(**target)
        channels = {"in_channels": types[0].network_channels, "out_channels": types[1].network_channels}
        generator = GENERATORS[name](**spec, **channels)
        generator.load_state_dict(weights)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not fit the {name} that it describes: {error}") from error
    return StoredGenerator(generator.eval(), *types)
