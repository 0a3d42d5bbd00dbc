"""Warm starts: a new run takes the weights of another run's checkpoint where they fit."""

import logging
import os

import torch
from torch import Tensor, nn

from pix2pix_lit.checkpoints.loading import check_numbers, read_checkpoint
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.runs.folder import checkpoint_in

log = logging.getLogger(__name__)


def warm_start(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Replace the weights of ``model`` by those with the same names in a checkpoint.

    If a tensor of the generator differs only in its numbers of channels, the channels that both have are copied. The
    others keep their initial values, as do tensors that the checkpoint lacks or has in another shape. Optimizers,
    schedules and step counts start from the beginning. If the checkpoint has a moving average of the generator, that is
    used.

    Args:
        model: the LightningModule to start.
        path: a checkpoint written by training, or the folder of a run.

    Raises:
        UserError: if the file cannot be read (see ``loading.read_checkpoint``), has no weights for ``model``, or
            has some that are not finite.
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
            # A discriminator's channels are the input's, then the image's: the first ones may not correspond.
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
        log.info("Copied only the channels that both have of %s", first_few(fitted))
    if left:
        log.info("Not in the checkpoint, left at their initial values: %s", first_few(left))


def _differ_in_channels(a: Tensor, b: Tensor) -> bool:
    return a.dim() == b.dim() and a.shape[2:] == b.shape[2:]
