"""Converts generator weights of the reference implementation to ours and back: the same numbers under other names.

The reference implementation is junyanz/pytorch-CycleGAN-and-pix2pix, whose ``latest_net_G.pth`` is the state dict of a
``unet_128``, ``unet_256``, ``resnet_6blocks`` or ``resnet_9blocks`` without any metadata.
"""

import inspect
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator

UNET = "pix2pix_lit.networks.UNetGenerator"
RESNET = "pix2pix_lit.networks.ResNetGenerator"

WRAPPERS = ("module.", "_orig_mod.")
"""The prefixes that DataParallel and torch.compile add to the names of a network's tensors."""

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class ReferenceGenerator(NamedTuple):
    """A generator of the reference implementation, converted to one of ours."""

    spec: dict[str, Any]
    """``_target_`` and arguments of our class, without the channels."""
    in_channels: int
    out_channels: int
    weights: dict[str, Tensor]
    """The state dict of our class, its tensors those of the file."""


def is_reference(state: Mapping[str, Any]) -> bool:
    """Whether the content of a file looks like the weights of any network of the reference implementation."""
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        return False
    state = _unwrapped(state)
    # The first convolution of a U-Net, of a ResNet, and of a PatchGAN, which ``from_reference`` refuses by name.
    has_first = any(name in state for name in ("model.model.0.weight", "model.1.weight", "model.0.weight"))
    return has_first and all(name.startswith("model.") for name in state)


def from_reference(state: Mapping[str, Any], path: str | os.PathLike[str]) -> ReferenceGenerator:
    """Convert a generator of the reference implementation, recognised by the names and shapes of its tensors.

    Three properties leave no trace in the tensors. BatchNorm is assumed to use the statistics of the image itself and
    a U-Net to have been trained with dropout, the reference implementation's defaults. ResNets are assumed to pad by
    reflection, unless their names reveal zero padding.

    Args:
        state: the content of the file: names -> tensors of any dtype, which are not converted.
        path: of the file, for messages.

    Raises:
        UserError: unless it is a complete U-Net or ResNet generator with batch or instance norm and without other
            tensors. The statistics of instance norm in old files are dropped, as in the reference implementation.
    """
    if not is_reference(state):
        raise UserError(
            f"{path} holds {first_few(list(state)) or 'nothing'}; expected weights of a generator of "
            f"pytorch-CycleGAN-and-pix2pix, their names starting with 'model.': take its latest_net_G.pth"
        )
    tensors: dict[str, Tensor] = _unwrapped(state)
    network = _recognised(tensors, path)
    table = _table(network)
    if network.norm == "instance":
        statistics = {name for name in _table(network._replace(norm="batch")) if name.endswith(STATISTICS)}
        tensors = {name: value for name, value in tensors.items() if name not in statistics}
    if network.norm == "batch" and not any(name.endswith("num_batches_tracked") for name in tensors):
        # PyTorch before 0.4.1 did not count batches; later versions start from 0 when they read its files.
        count = next(iter(tensors.values())).new_zeros((), dtype=torch.long)
        tensors |= {name: count.clone() for name in table if name.endswith("num_batches_tracked")}
    faults = faults_of(tensors, {name: tensor.shape for name, tensor in table.items()})
    if faults:
        raise UserError(
            f"{path} looks like a {network} of pytorch-CycleGAN-and-pix2pix, but {faults}; expected all tensors of "
            f"such a generator and no others: convert a file that its unchanged networks wrote"
        )
    return ReferenceGenerator(
        network.spec(),
        network.in_channels,
        network.out_channels,
        {tensor.name: tensors[name] for name, tensor in table.items()},
    )


def to_reference(spec: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the weights of one of our generators to the names and the order of the reference implementation.

    With instance norm, the reference implementation has biases that the norm cancels; they are zeros if our generator
    has none.

    Args:
        spec: ``_target_`` and arguments of the generator's class; absent ones have their defaults.
        weights: its state dict; the result holds the same tensors.

    Raises:
        UserError: if the reference implementation has no such network, or ``weights`` do not fit ``spec``.
    """
    classes = {UNET: UNetGenerator, RESNET: ResNetGenerator}
    target = spec.get("_target_")
    if not isinstance(target, str) or target not in classes:
        raise UserError(f"the generator's class is {target!r}; only {' and '.join(classes)} can be converted")
    settings = {name: it.default for name, it in inspect.signature(classes[target]).parameters.items()} | dict(spec)
    is_instance = settings["norm"] == "instance"
    theirs = {
        "norm": ("batch", "instance"),
        "upsampling": ("transposed",),
        "bias_before_norm": (False, True) if is_instance else (False,),
    }
    for name, values in theirs.items():
        if name in settings and settings[name] not in values:
            raise UserError(
                f"the generator has {name}={settings[name]}; the reference implementation has only "
                f"{' and '.join(map(str, values))} there: train one with model.generator.{name}={values[0]}"
            )
    if target == UNET and settings["depth"] < 5:
        raise UserError(
            f"the generator has depth={settings['depth']}; the reference implementation has U-Nets of 5 levels or "
            f"more: train one with model.generator.depth=5 or more"
        )
    network = _Network(
        target=target,
        width=settings["width"],
        size=settings["depth" if target == UNET else "blocks"],
        norm=settings["norm"],
        has_dropout=bool(settings["dropout"]),
    )
    first, *_, last = (tensor.name for tensor in _table(network).values())
    network = network.with_channels(weights.get(first), weights.get(last))
    table = _table(network)
    has_biases = not is_instance or settings["bias_before_norm"]
    expected = {it.name: it.shape for it in table.values() if has_biases or not it.is_bias_before_norm}
    faults = faults_of(weights, expected)
    if faults:
        raise UserError(
            f"the generator's specification describes a {network}, but its state dict {faults}; expected both from "
            f"the same generator: take them from one checkpoint"
        )
    some = weights[first]
    return {
        name: weights[tensor.name] if tensor.name in expected else some.new_zeros(tensor.shape)
        for name, tensor in table.items()
    }


class _Network(NamedTuple):
    """The properties that decide names and shapes."""

    target: str
    width: int
    size: int  # levels of a U-Net, blocks of a ResNet
    norm: str
    has_dropout: bool  # matters only for ResNets
    in_channels: int = 0
    out_channels: int = 0

    def __str__(self) -> str:
        kind = f"U-Net of {self.size} levels" if self.target == UNET else f"ResNet of {self.size} blocks"
        return f"{kind} of width {self.width} with {self.norm} norm"

    def with_channels(self, first: Tensor | None, last: Tensor | None) -> Self:
        """The same network with the channels of the first convolution's weight and the last one's bias."""
        return self._replace(
            in_channels=first.shape[1] if first is not None and first.ndim == 4 else 0,
            out_channels=last.shape[0] if last is not None and last.ndim == 1 else 0,
        )

    def spec(self) -> dict[str, Any]:
        is_unet = self.target == UNET
        spec = {
            "_target_": self.target,
            "width": self.width,
            "depth" if is_unet else "blocks": self.size,
            "norm": self.norm,
            "norm_inference": "per_image",
            "dropout": 0.5 if is_unet or self.has_dropout else 0.0,
        }
        if is_unet:  # blocks of 8 * width -> 8 * width channels, except the innermost
            spec["dropout_blocks"] = list(range(1, self.size - 4))
        return spec | {"bias_before_norm": self.norm == "instance"}


class _Layer(NamedTuple):
    """A convolution and the norm after it, if any."""

    reference: str
    ours: str
    shape: tuple[int, int, int, int]  # of its weight
    channels: int  # of its output
    norm: tuple[str, str] | None = None  # the reference implementation's name, ours


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    is_bias_before_norm: bool = False


def _table(network: _Network) -> dict[str, _Tensor]:
    """Map the reference implementation's names, in its order, to our tensors, from first weight to last bias."""
    layers = list(_unet_layers(network) if network.target == UNET else _resnet_layers(network))
    table = {}
    for layer in layers:
        channels = (layer.channels,)
        table[f"{layer.reference}.weight"] = _Tensor(f"{layer.ours}.weight", layer.shape)
        if network.norm == "instance" or layer is layers[-1]:
            table[f"{layer.reference}.bias"] = _Tensor(f"{layer.ours}.bias", channels, layer.norm is not None)
        if network.norm == "batch" and layer.norm is not None:
            reference, ours = layer.norm
            for name in ("weight", "bias", *STATISTICS):
                shape = () if name == "num_batches_tracked" else channels
                table[f"{reference}.{name}"] = _Tensor(f"{ours}.{name}", shape)
    return table


def _unet_layers(network: _Network) -> Iterator[_Layer]:
    """Nested blocks: each contains its down convolution, the next block and its up convolution, in this order."""
    innermost = network.size - 1
    channels = [min(network.width * 2**level, network.width * 8) for level in range(network.size)]
    blocks = ["model.model"] + [f"model.model.1{'.model.3' * level}.model" for level in range(innermost)]
    for level, block in enumerate(blocks):
        into = channels[level - 1] if level else network.in_channels
        yield _Layer(
            f"{block}.{1 if level else 0}",
            f"encoder.{level}.conv",
            (channels[level], into, 4, 4),
            channels[level],
            (f"{block}.2", f"encoder.{level}.norm") if 0 < level < innermost else None,
        )
    for level, block in reversed(list(enumerate(blocks))):
        ours = f"decoder.{innermost - level}"
        position = 5 if 0 < level < innermost else 3
        out = channels[level - 1] if level else network.out_channels
        yield _Layer(
            f"{block}.{position}",
            f"{ours}.conv",
            (channels[level] * (1 if level == innermost else 2), out, 4, 4),
            out,
            (f"{block}.{position + 1}", f"{ours}.norm") if level else None,
        )


def _resnet_layers(network: _Network) -> Iterator[_Layer]:
    """One sequence, in which paddings and activations are numbered as well; within blocks dropout too."""
    width, up = network.width, 10 + network.size
    yield _Layer("model.1", "stem.0", (width, network.in_channels, 7, 7), width, ("model.2", "stem.1"))
    for i, (position, out) in enumerate([(4, 2 * width), (7, 4 * width)]):
        norm = (f"model.{position + 1}", f"down.{i}.1")
        yield _Layer(f"model.{position}", f"down.{i}.0", (out, out // 2, 3, 3), out, norm)
    for i in range(network.size):
        block, ours = f"model.{10 + i}.conv_block", f"blocks.{i}"
        for k, position in ((1, 1), (2, 6 if network.has_dropout else 5)):
            norm = (f"{block}.{position + 1}", f"{ours}.norm{k}")
            yield _Layer(f"{block}.{position}", f"{ours}.conv{k}", (4 * width, 4 * width, 3, 3), 4 * width, norm)
    for i, (position, out) in enumerate([(up, 2 * width), (up + 3, width)]):
        norm = (f"model.{position + 1}", f"up.{i}.1")
        yield _Layer(f"model.{position}", f"up.{i}.0", (2 * out, out, 3, 3), out, norm)
    yield _Layer(f"model.{up + 7}", "head", (network.out_channels, width, 7, 7), network.out_channels)


def _recognised(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> _Network:
    """Guess the network from some of its tensors; ``faults_of`` then compares all of them."""
    is_unet = "model.model.0.weight" in tensors
    # One deeper block is one ".model." more; every residual block has a number of its own.
    levels = {name.count(".model.") for name in tensors if name.startswith("model.model.")}
    blocks = {name.split(".")[1] for name in tensors if ".conv_block." in name}
    has_batch_norm = any(name.endswith(".weight") and tensor.ndim == 1 for name, tensor in tensors.items())
    refusal = None
    if "model.0.weight" in tensors:
        refusal = "weights of a discriminator; expected those of a generator: take latest_net_G.pth"
    elif any(".conv_block.0." in name for name in tensors):
        refusal = "a ResNet that pads with zeros; expected one that pads by reflection, as ours do: train one"
    elif not has_batch_norm and sum(name.endswith(".bias") for name in tensors) <= 1:
        refusal = "a generator without norms; expected one with batch or instance norm: train one"
    elif is_unet and len(levels) < 5:
        refusal = f"a U-Net of {len(levels)} levels; expected 5 or more: take latest_net_G.pth as it was written"
    if refusal:
        raise UserError(f"{path} holds {refusal}")
    network = _Network(
        target=UNET if is_unet else RESNET,
        width=0,
        size=len(levels if is_unet else blocks),
        norm="batch" if has_batch_norm else "instance",
        has_dropout=any(name.endswith(".conv_block.6.weight") and it.ndim == 4 for name, it in tensors.items()),
    )
    first, *_, last = _table(network)
    network = network._replace(width=tensors[first].shape[0] if tensors[first].ndim else 0)
    return network.with_channels(tensors[first], tensors.get(last))


def faults_of(tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Describe how tensors differ from the expected names and shapes; empty if they do not."""
    missing = [name for name in expected if name not in tensors]
    unknown = [name for name in tensors if name not in expected]
    if missing or unknown:
        faults = (("lacks", missing), ("has", unknown))
        return " and ".join(f"{verb} {first_few(names, 3)}" for verb, names in faults if names)
    misshapen = [
        f"{name} of shape {list(tensors[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if tensors[name].shape != shape
    ]
    return f"has {first_few(misshapen, 3)}" if misshapen else ""


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state dict without the ``WRAPPERS`` that all names start with."""
    names = list(state)
    while wrapper := next((it for it in WRAPPERS if names and all(name.startswith(it) for name in names)), None):
        names = [name.removeprefix(wrapper) for name in names]
    return dict(zip(names, state.values(), strict=True))
