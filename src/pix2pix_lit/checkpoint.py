"""A checkpoint -> a ready generator; a file from a stranger runs no code."""

import os
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pix2pix_lit.description import METADATA_KEY, Description, Precision
from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import ImageType
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator
from pix2pix_lit.networks.norm import InferenceStatistics
from pix2pix_lit.reference_weights import from_reference, is_reference

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
    """The generator of a file, with what the file says of it."""

    network: nn.Module
    description: Description


def load_generator(path: str | os.PathLike[str], norm_inference: InferenceStatistics | None = None) -> StoredGenerator:
    """The generator of a checkpoint, on the CPU, in eval mode: the path is all it takes.

    Reads what training writes, what ``pix2pix_lit.export`` writes as ``safetensors`` or ``checkpoint``, and generator
    files of the reference implementation (``latest_net_G.pth``), each known by its contents.

    Weights are their moving average, if training kept one. Eval mode is the inference mode of the project: no
    dropout, and norm statistics as the generator's stored ``norm_inference`` says.

    Args:
        path: the file.
        norm_inference: ``per_image`` or ``running`` instead of what the file says.

    Raises:
        UserError: as ``read_checkpoint``; if the stored network is none of ``GENERATORS`` or does not fit its
            weights; and for a ``norm_inference`` that the network has not.
    """
    path = Path(path)
    stored = _read_safetensors(path) if is_safetensors(path) else _read_pickled(path)
    spec = dict(stored.spec)
    if norm_inference is not None:
        if spec.get("norm", "batch") != "batch":
            raise UserError(
                f"norm_inference is {norm_inference}, but {path} holds a network with norm={spec['norm']}, which has "
                f"one way to work; expected null"
            )
        spec["norm_inference"] = norm_inference
    network = _build(spec, stored, path)
    description = Description(
        generator=spec,
        input=stored.input,
        target=stored.target,
        size_multiple=int(network.size_multiple),  # type: ignore[arg-type]
        smallest_side=int(network.smallest_side),  # type: ignore[arg-type]
        precision=stored.precision,
        training=stored.training,
        license=stored.license,
        version=stored.version,
    )
    return StoredGenerator(network, description)


def checkpoint_of(network: nn.Module, description: Description) -> dict[str, Any]:
    """What ``torch.save`` makes a checkpoint of that ``load_generator`` and ``warm_start`` read."""
    spec, input, target = description.generator, description.input, description.target
    return {
        "hyper_parameters": {"generator": dict(spec), "input": input.as_dict(), "target": target.as_dict()},
        "state_dict": {f"generator.{name}": value.contiguous() for name, value in network.state_dict().items()},
        "training": dict(description.training),
        "license": description.license,
        "pix2pix_lit_version": description.version,
    }


def is_safetensors(path: Path) -> bool:
    """Whether a file starts as those of safetensors do, with the length of its JSON header, or is called so."""
    if path.suffix.lower() == ".safetensors" and path.is_file():
        return True
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return False
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= 2**27


@dataclass
class _Stored:
    """A file's contents, not yet built."""

    spec: dict[str, Any]
    input: ImageType
    target: ImageType
    weights: dict[str, Tensor]
    precision: Precision = "fp32"
    training: dict[str, Any] = field(default_factory=dict)
    license: str | None = None
    version: str = "unknown"


def _read_safetensors(path: Path) -> _Stored:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); expected an intact file of safetensors: get another copy"
        ) from error
    if METADATA_KEY not in metadata:
        raise UserError(
            f"{path} does not say which generator it holds (its metadata: {', '.join(metadata) or 'none'}); expected "
            f"one that was written by python -m pix2pix_lit.export format=safetensors"
        )
    told = Description.from_json(metadata[METADATA_KEY], path)
    return _Stored(
        dict(told.generator),
        told.input,
        told.target,
        weights,
        told.precision,
        dict(told.training),
        told.license,
        told.version,
    )


def _read_pickled(path: Path) -> _Stored:
    checkpoint = read_checkpoint(path)
    if is_reference(checkpoint):
        spec, in_channels, out_channels, weights = from_reference(checkpoint, path)
        types = ImageType(channels=in_channels), ImageType(channels=out_channels)
        return _Stored(spec, *types, weights, training={"by": "the reference implementation"})
    try:
        stored = checkpoint["hyper_parameters"]
        spec, input, target = (dict(stored[name]) for name in ("generator", "input", "target"))
        state = checkpoint["state_dict"]
        prefix = "generator_ema." if any(key.startswith("generator_ema.") for key in state) else "generator."
        weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        training = dict(checkpoint.get("training", {}))
        for name, key in (("steps", "global_step"), ("epochs", "epoch"), ("data", "data")):
            if key in checkpoint:
                training[name] = checkpoint[key]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} does not say which generator it holds and for which images (its keys: "
            f"{', '.join(map(str, checkpoint))}); expected a checkpoint written by this version of pix2pix-lit (train "
            f"anew if an older one wrote it), or a generator file of the reference implementation"
        ) from error
    try:
        types = ImageType(**input), ImageType(**target)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} does not fit what it says of its images: {error}") from error
    version = str(checkpoint.get("pix2pix_lit_version", "unknown"))
    return _Stored(spec, *types, weights, training=training, license=checkpoint.get("license"), version=version)


def _build(spec: dict[str, Any], stored: _Stored, path: Path) -> nn.Module:
    arguments = dict(spec)
    name = arguments.pop("_target_", None)
    if not isinstance(name, str) or name not in GENERATORS:
        raise UserError(
            f"{path} asks for the class {name!r}; only {', '.join(GENERATORS)} are built from a checkpoint, so that "
            f"a file from a stranger runs no code. For a network of your own, build it in Python and load the "
            f"'generator.' tensors of the file's 'state_dict' into it"
        )
    try:
        channels = {"in_channels": stored.input.network_channels, "out_channels": stored.target.network_channels}
        network = GENERATORS[name](**arguments, **channels)
        network.load_state_dict(stored.weights)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not fit the {name} that it describes: {error}") from error
    return network.eval()
