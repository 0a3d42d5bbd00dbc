"""Where weights start, which of them stay, and their moving average."""

import fnmatch
import logging
import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoint import check_numbers, read_checkpoint
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.run_folder import checkpoint_in

log = logging.getLogger(__name__)


def warm_start(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Replace the weights of ``model`` by those that a checkpoint holds under the same names.

    A tensor of the generator that differs in its numbers of channels alone gets the channels that both have; what is
    left over keeps its initial values, as do tensors that the checkpoint lacks or has in another shape. Optimizers,
    schedules and counts start anew. Where the checkpoint has a moving average of the generator, that is taken.

    Args:
        model: the LightningModule to start.
        path: a checkpoint written by training, or the folder of a run.

    Raises:
        UserError: if the file cannot be read (see ``checkpoint.read_checkpoint``) has no weights for ``model``, or
            has some that are no finite numbers.
    """
    path = checkpoint_in(path)
    stored = read_checkpoint(path).get("state_dict")
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise UserError(f"warm_start={path} holds no weights under 'state_dict'; expected a checkpoint of train.py")
    own = model.state_dict()  # shares memory with the model
    fitted, left = [], []
    taken: dict[str, Tensor] = {}
    for name in own:
        plain = name.replace("generator_ema.", "generator.", 1)
        theirs = stored.get(plain.replace("generator.", "generator_ema.", 1), stored.get(plain))
        if theirs is not None:
            taken[name] = theirs
    check_numbers(taken, own, f"warm_start={path}")
    with torch.no_grad():
        for name, tensor in own.items():
            plain, theirs = name.replace("generator_ema.", "generator.", 1), taken.get(name)
            if theirs is not None and theirs.shape == tensor.shape:
                tensor.copy_(theirs)
            # A discriminator's channels are the input's and then the image's: the first ones would be others.
            elif theirs is not None and plain.startswith("generator.") and _differ_in_channels(theirs, tensor):
                common = tuple(slice(min(sizes)) for sizes in zip(tensor.shape, theirs.shape, strict=True))
                tensor[common] = theirs[common].to(tensor)
                fitted.append(f"{name} {tuple(theirs.shape)} -> {tuple(tensor.shape)}")
            else:
                left.append(name)
    if len(left) == len(own):
        raise UserError(
            f"warm_start={path} has no tensor of this model (it has {first_few(list(stored))}); expected a "
            f"checkpoint of the same kind of networks"
        )
    log.info("%d of %d tensors start from %s", len(own) - len(left), len(own), path)
    if fitted:
        log.info("Only channels that both have were taken of %s", first_few(fitted))
    if left:
        log.info("Not in it, and so at their initial values: %s", first_few(left))


def _differ_in_channels(a: Tensor, b: Tensor) -> bool:
    return a.dim() == b.dim() and a.shape[2:] == b.shape[2:]


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Take the parameters that any of these patterns names out of training.

    Args:
        model: whose parameters.
        patterns: of their names, with ``*`` for any characters, such as ``generator.encoder.*``.

    Raises:
        UserError: for a pattern that is no parameter's name.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        found = set(fnmatch.filter(names, pattern))
        if not found:
            raise UserError(
                f"model.freeze has {pattern!r}, which is no parameter's name; expected patterns such as "
                f"'generator.encoder.*' (the first names: {first_few(names)})"
            )
        for name, parameter in model.named_parameters():
            if name in found:
                parameter.requires_grad_(False)


@torch.no_grad()
def update_moving_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move an average of weights one step (Karras et al. 2018, section 4.1 and appendix C); buffers are copied.

    Args:
        average: a copy of ``network`` that holds the average.
        network: what was just trained.
        decay: share of the old average that stays, below 1. In the first steps (1 + step) / (10 + step) if that is
            less, as in TensorFlow's ``ExponentialMovingAverage``, so that initial weights are soon forgotten.
        step: number of updates before this one.
    """
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), [weight.detach() for weight in network.parameters()], 1 - decay)
    for theirs, own in zip(average.buffers(), network.buffers(), strict=True):
        theirs.copy_(own)
