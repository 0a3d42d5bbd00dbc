"""Backends that run a generator: a network in PyTorch, or an exported file in its runtime, with the same interface."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.memory import is_out_of_memory
from pix2pix_lit.networks import Generator, SamplingGenerator

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""The precisions that networks run in."""


class Backend(Protocol):
    """A generator that can be called.

    Attributes:
        size_multiple: the sides of its inputs must be multiples of it.
        smallest_side: smallest side of its inputs.
        takes_images: whether its inputs are pixels of any size instead of floats.
        device: of its inputs.
    """

    @property
    def size_multiple(self) -> int: ...

    @property
    def smallest_side(self) -> int: ...

    @property
    def takes_images(self) -> bool: ...

    @property
    def device(self) -> torch.device: ...

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) floats in [-1, 1] -> (N, C', H, W) floats; or (N, H, W, planes) pixels -> pixels."""
        ...


class TorchBackend:
    """A generator in inference mode, in the precision and on the device of its parameters.

    Args:
        network: with ``size_multiple`` and ``smallest_side``; its train or eval mode is not changed.
    """

    takes_images = False

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, Generator):
            raise TypeError(f"{type(network).__name__} has no size_multiple or smallest_side; see networks.Generator")
        self.network = network
        self.size_multiple = network.size_multiple
        self.smallest_side = network.smallest_side

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        with _eval_mode(self.network):
            return self.network(x.to(next(self.network.parameters()).dtype))

    @torch.inference_mode()
    def sample(self, x: Tensor, seed: int) -> Tensor:
        """The output with the network's noise, drawn from ``seed``.

        Raises:
            UserError: for a network without noise.
        """
        if not isinstance(self.network, SamplingGenerator):
            raise UserError(
                f"{type(self.network).__name__} has no noise: all samples would be equal; expected a generator with "
                f"a method sample: leave samples at 0"
            )
        with _eval_mode(self.network):
            return self.network.sample(x.to(next(self.network.parameters()).dtype), seed)


class ExportedBackend:
    """An exported file in its runtime.

    Args:
        path: of the file.
        metadata: stored in the file.
        run: calls the runtime: contiguous inputs -> outputs, as ``metadata`` describes them.
        device: of its inputs.
    """

    def __init__(
        self, path: Path, metadata: GeneratorMetadata, run: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.size_multiple = metadata.size_multiple
        self.smallest_side = metadata.smallest_side
        self.takes_images = metadata.takes_images
        self.device = device
        self._run = run

    def __call__(self, x: Tensor) -> Tensor:
        """The output of the file for ``x``.

        Raises:
            UserError: if its runtime fails, or returns a shape or dtype other than the metadata's.
            MemoryError: if there is not enough memory.
        """
        try:
            generated = self._run(x.contiguous())
        except Exception as error:  # every runtime has its own exceptions exceptions
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise self._broken(f"{type(error).__name__}: {first_line(error)}") from error
        target = self.metadata.target
        if self.takes_images:
            expected = (*x.shape[:3], target.channels), getattr(torch, target.dtype)
        else:
            expected = (len(x), target.network_channels, *x.shape[2:]), torch.float32
        is_tensor = isinstance(generated, Tensor)
        found = (tuple(generated.shape), generated.dtype) if is_tensor else (type(generated).__name__, None)
        if found != expected:
            raise self._broken(f"it returns {found[0]} of {found[1]}, not {expected[0]} of {expected[1]}")
        return generated

    def _broken(self, reason: str) -> UserError:
        return UserError(
            f"{self.path} cannot be run ({reason}); expected an intact file that pix2pix-lit export wrote: "
            f"get another copy, or export it again"
        )


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return str(error).strip().partition("\n")[0]


def in_precision(network: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """Move a network to a device and its arithmetic to a precision, with channels last in memory.

    Raises:
        UserError: for a precision that is not in ``DTYPES``, or for which the device has no convolutions.
    """
    if precision not in DTYPES:
        raise UserError(f"precision is {precision!r}; expected one of {', '.join(DTYPES)} (int8 is for exported files)")
    dtype = DTYPES[precision]
    try:
        probe = torch.zeros(1, 1, 4, 4, device=device, dtype=dtype)
        nn.functional.conv_transpose2d(nn.functional.conv2d(probe, probe), probe)
    except (RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"precision={precision} is not available on {device} ({reason}); expected one that it supports: set "
            f"precision=fp32"
        ) from error
    return network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


@contextmanager
def _eval_mode(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in network.modules():
            module.training = False
        for module in training:
            module.training = True
