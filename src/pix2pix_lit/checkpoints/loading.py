"""Reads checkpoints and builds their generators, without running code from untrusted files."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from pix2pix_lit import networks
from pix2pix_lit.checkpoints import torch_file
from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.checkpoints.reference_weights import faults_of, from_reference, is_reference
from pix2pix_lit.checkpoints.renamed_keys import with_current_keys, with_current_losses
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.networks.layers.norm import InferenceStatistics

GENERATORS: dict[str, type[Any]] = {
    f"{networks.__name__}.{name}": kind
    for name, kind in vars(networks).items()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and ".generators." in kind.__module__
}
"""The only classes that are built from a checkpoint, by their ``_target_``: the generators in ``networks``."""

_SETTINGS = frozenset({"hyper_parameters", "data"})

_UNKNOWN = "unknown"
"""The version in the metadata of a file without one."""

LARGEST_MULTIPLE = 2**16
"""Limit on ``size_multiple`` and ``smallest_side`` of a network in a checkpoint."""


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dictionary in a checkpoint file, with tensors on the CPU, verified as described in ``torch_file.load``.

    Args:
        path: the file.

    Raises:
        UserError: if the file is missing, damaged, not a checkpoint, or holds more than tensors and plain values.
    """
    path = Path(path)
    check_regular_file(path)
    try:
        checkpoint = torch_file.load(path)
    except torch_file.NotPlainError as error:
        raise UserError(
            f"{path} is refused: it is damaged or holds more than tensors and plain values, which could run code "
            f"when loaded ({error}); expected a checkpoint written by pix2pix-lit: get an intact copy"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} cannot be read ({_reason(error)}); expected an intact checkpoint: get another copy, or take the "
            f"checkpoint saved before it"
        ) from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"{path} holds a {type(checkpoint).__name__}; expected a checkpoint written by pix2pix-lit")
    try:
        checkpoint |= {key: with_current_keys(checkpoint[key]) for key in _SETTINGS & checkpoint.keys()}
    except RecursionError as error:
        raise UserError(
            f"{path} holds settings that are nested too deeply; expected a checkpoint written by pix2pix-lit"
        ) from error
    if "hyper_parameters" in checkpoint:
        checkpoint["hyper_parameters"] = with_current_losses(checkpoint["hyper_parameters"])
    return checkpoint


def check_regular_file(path: Path) -> None:
    """Check that a path is a regular file, without opening it.

    Raises:
        UserError: if it is missing, a folder, a device or a FIFO.
    """
    try:
        torch_file.check_is_file(path)
    except (OSError, ValueError) as error:
        known: dict[type, str] = {IsADirectoryError: "is a folder", FileNotFoundError: "does not exist"}
        found = known.get(type(error), f"cannot be read ({_reason(error)})")
        raise UserError(
            f"{path} {found}; expected a checkpoint file such as outputs/.../checkpoints/last.ckpt"
        ) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {str(error).partition(chr(10))[0]}".strip()


def checkpoint_of(network: nn.Module, metadata: GeneratorMetadata) -> dict[str, Any]:
    """The contents of a checkpoint that ``read_generator`` and ``warm_start`` read."""
    spec, input, target = metadata.generator, metadata.input, metadata.target
    return {
        "hyper_parameters": {"generator": dict(spec), "input": input.as_dict(), "target": target.as_dict()},
        "state_dict": {f"generator.{name}": value.contiguous() for name, value in network.state_dict().items()},
        "training": dict(metadata.training),
        "license": metadata.license,
        "pix2pix_lit_version": metadata.version,
    }


def read_generator(path: Path) -> tuple[GeneratorMetadata, dict[str, Tensor]]:
    """The generator in a checkpoint of training or in a file of the reference implementation.

    The contents of the file decide which it is. The weights are the moving average if the checkpoint has one.

    Returns:
        Metadata and weights as ``build_generator`` takes them.

    Raises:
        UserError: as ``read_checkpoint``, and if the file does not describe a generator and its images.
    """
    checkpoint = read_checkpoint(path)
    if is_reference(checkpoint):
        spec, in_channels, out_channels, weights = from_reference(checkpoint, path)
        types = ImageType(channels=in_channels), ImageType(channels=out_channels)
        return GeneratorMetadata(
            spec, *types, training={"by": "the reference implementation"}, version=_UNKNOWN
        ), weights
    stored = checkpoint.get("hyper_parameters")
    specs = [stored.get(name) for name in ("generator", "input", "target")] if isinstance(stored, dict) else [None]
    state = checkpoint.get("state_dict")
    if not all(isinstance(spec, dict) for spec in specs) or not isinstance(state, dict):
        keys = first_few([*checkpoint], 12)
        raise UserError(
            f"{path} does not describe its generator and the images it is for (its keys: {keys}); expected a "
            f"checkpoint written by this version of pix2pix-lit (train again if an older one wrote it), or a generator "
            f"file of the reference implementation"
        )
    spec, input, target = cast(list[dict[str, Any]], specs)
    prefix = "generator_ema." if any(str(key).startswith("generator_ema.") for key in state) else "generator."
    weights = {key.removeprefix(prefix): it for key, it in state.items() if str(key).startswith(prefix)}
    training, license = checkpoint.get("training", {}), checkpoint.get("license")
    known = {"steps": "global_step", "epochs": "epoch", "data": "data"}
    if (
        not isinstance(training, dict)
        or not isinstance(license, str | None)
        or not all(isinstance(weight, Tensor) for weight in weights.values())
        or any(
            holds_tensors(it) for it in (spec, input, target, training, *(checkpoint.get(it) for it in known.values()))
        )
    ):
        raise UserError(
            f"{path} has tensors in its metadata, or other values in place of tensors; expected a checkpoint written "
            f"by pix2pix-lit: get an intact copy"
        )
    training = training | {name: checkpoint[key] for name, key in known.items() if key in checkpoint}
    version = str(checkpoint.get("pix2pix_lit_version", _UNKNOWN))
    try:
        types = ImageType(**input), ImageType(**target)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} contradicts its own description of its images: {error}") from error
    return GeneratorMetadata(spec, *types, training=training, license=license, version=version), weights


def holds_tensors(value: Any) -> bool:
    """Whether any value in nested dictionaries, lists and tuples is a tensor."""
    if isinstance(value, dict):
        return any(map(holds_tensors, value.values()))
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(map(holds_tensors, value)))


def build_generator(
    metadata: GeneratorMetadata,
    weights: Mapping[str, Tensor],
    path: object,
    norm_inference: InferenceStatistics | None = None,
) -> tuple[nn.Module, GeneratorMetadata]:
    """Build the network that a file describes and load its weights.

    Args:
        metadata: of the file; its ``size_multiple`` and ``smallest_side`` are not used.
        weights: the network's state dict, in any floating-point precision.
        path: of the file, for messages.
        norm_inference: ``per_image`` or ``running`` to override the file's inference mode.

    Returns:
        The network, float32, in eval mode, on the CPU; and the metadata, with the sizes that the network accepts.

    Raises:
        UserError: if the network is not one of ``GENERATORS`` or does not fit its weights, if a weight is not finite,
            and for a ``norm_inference`` that the network does not support.
    """
    spec = dict(metadata.generator)
    if norm_inference is not None:
        if spec.get("norm", "batch") != "batch":
            raise UserError(
                f"norm_inference is {norm_inference}, but {path} holds a network with norm={spec['norm']}, which has "
                f"only one inference mode; expected null"
            )
        spec["norm_inference"] = norm_inference
    arguments = dict(spec)
    name = arguments.pop("_target_", None)
    if not isinstance(name, str) or name not in GENERATORS:
        raise UserError(
            f"{path} asks for the class {name!r}; only {', '.join(GENERATORS)} are built from a checkpoint, to keep "
            f"untrusted files from running code. For a network of your own, build it in Python and load the "
            f"'generator.' tensors of the file's 'state_dict' into it"
        )
    # Layers are counted before any is built, and shapes compared before any memory is allocated.
    layers = max((n for key in ("depth", "blocks") if type(n := arguments.get(key)) is int), default=0)
    if layers > len(weights):
        raise UserError(
            f"{path} does not fit the {name} that it describes: {layers} layers, but {len(weights)} tensors"
        )
    try:
        with torch.device("meta"):
            network = GENERATORS[name](
                **arguments,
                in_channels=metadata.input.network_channels,
                out_channels=metadata.target.network_channels,
            )
        faults = faults_of(weights, {key: value.shape for key, value in network.state_dict().items()})
        if network.smallest_side > LARGEST_MULTIPLE:
            faults = f"takes sides of {LARGEST_MULTIPLE} and more only"
    except (TypeError, ValueError, RuntimeError, KeyError, OverflowError) as error:
        raise UserError(f"{path} does not fit the {name} that it describes: {error}") from error
    if faults:
        raise UserError(f"{path} does not fit the {name} that it describes: it {faults}")
    check_numbers(weights, network.state_dict(), path)
    network.to_empty(device="cpu").load_state_dict(weights)
    sizes = {"size_multiple": network.size_multiple, "smallest_side": network.smallest_side}
    return network.eval(), metadata.changed(generator=spec, **sizes)


def check_numbers(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: object) -> None:
    """Check that all weights are finite numbers of the expected kind.

    Args:
        weights: of a file.
        expected: tensors of the network with the same names; floating-point numbers may have another precision.
        path: of the file, for the message.

    Raises:
        UserError: for a tensor of another kind (integers or complex numbers where floating-point numbers are
            expected), or with a NaN or an infinity, also after conversion to the network's precision.
    """
    kinds, broken = [], []
    for name, weight in weights.items():
        wanted = expected[name].dtype
        if _kind(weight.dtype) != _kind(wanted):
            kinds.append(f"{name} of {str(weight.dtype).removeprefix('torch.')}")
        elif wanted.is_floating_point and not _is_finite(weight.to(wanted)):
            broken.append(name)
    for fault, expectation in ((kinds, "floating-point weights and whole counts"), (broken, "finite numbers")):
        if fault:
            what = first_few(fault, 3) if fault is kinds else f"NaN or infinity in {first_few(fault, 3)}"
            raise UserError(f"{path} has {what}; expected {expectation}: get an intact copy, or an earlier checkpoint")


def _kind(dtype: torch.dtype) -> str:
    if dtype == torch.bool or dtype.is_complex:
        return str(dtype)
    return "floating" if dtype.is_floating_point else "whole"


def _is_finite(values: Tensor) -> bool:
    # The sum is quick to check, but may overflow where no value does.
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())
