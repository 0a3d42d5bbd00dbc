"""Reads and checks the checkpoint that a training resumes from, before Lightning sees it."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from packaging.version import InvalidVersion, Version
from torch import Tensor

from pix2pix_lit.checkpoints.loading import holds_tensors, read_checkpoint
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.internals.lightning import is_restoring
from pix2pix_lit.runs.folder import checkpoint_in

if TYPE_CHECKING:
    import lightning as L

log = logging.getLogger(__name__)

_HIGHEST_COUNT = 2**53

_LIKE_PARAMETERS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "grad_avg")
"""Entries of torch's optimizer states that have the shape of their parameter."""


class StoredTraining(NamedTuple):
    """The checkpoint of a training that can be resumed."""

    path: Path
    checkpoint: dict[str, Any]


def read_training(path: Path) -> StoredTraining:
    """Read a checkpoint, and check that its contents have the form that Lightning and the module expect.

    Raises:
        UserError: as ``read_checkpoint``; if the file holds no training; and naming an entry of unexpected form.
    """
    checkpoint = read_checkpoint(path)
    missing = {"pytorch-lightning_version", "state_dict", "optimizer_states", "loops"} - checkpoint.keys()
    if missing:
        raise UserError(
            f"{path} holds no training to resume (it lacks {', '.join(sorted(missing))}); expected a "
            f"checkpoint written by pix2pix-lit during training, such as last.ckpt"
        )
    for key, value in checkpoint.items():
        expected, has_form = _FORMS.get(key, ("", lambda _: True))
        if not has_form(value):
            raise UserError(
                f"{path} does not have {expected} in {key!r}; expected a checkpoint written by pix2pix-lit during "
                f"training: get another copy, or take the checkpoint saved before it"
            )
    return StoredTraining(path, checkpoint)


def training_to_resume(folder: Path, ckpt_path: str | None) -> StoredTraining | None:
    """The training that a run in ``folder`` resumes, read and verified; None for a run from the start.

    A run in the folder that was interrupted is resumed, even if ``ckpt_path`` names another run that it started from.
    All processes find the same checkpoint, since none writes one before all have started.

    Args:
        folder: of the run.
        ckpt_path: the config's key: null, ``last``, or a file.

    Raises:
        UserError: if there is no intact checkpoint where one is expected.
    """
    from pix2pix_lit.checkpoints.saving import LAST, PREVIOUS  # which imports this module

    checkpoints = folder / "checkpoints"
    found = [checkpoints / name for name in (LAST, PREVIOUS) if (checkpoints / name).exists()]
    if ckpt_path is not None and ckpt_path != "last":
        asked = checkpoint_in(ckpt_path)
        if not found or asked.absolute().parent == checkpoints.absolute():
            found = [asked]
    if ckpt_path == "last" and not found:
        raise UserError(f"ckpt_path=last, but {folder} has no checkpoints/last.ckpt; expected one to resume from")
    for path in found:
        try:
            stored = read_training(path)
        except UserError as error:
            if path == found[-1]:
                raise
            log.warning("%s. Resuming from the checkpoint before it", error)
            continue
        epoch, step = (stored.checkpoint.get(key, "?") for key in ("epoch", "global_step"))
        log.info("Resuming from %s: epoch %s, step %s", path, epoch, step)
        return stored
    return None


@contextmanager
def restoring(trainer: "L.Trainer", path: Path | None) -> Iterator[None]:
    """A context in which errors of Lightning while it restores from ``path`` become a ``UserError``.

    Raises:
        UserError: instead of any library's error, until everything is restored.
    """
    try:
        yield
    except Exception as error:
        # Empty as soon as everything is restored.
        under_way = path is not None and is_restoring(trainer)
        if isinstance(error, UserError) or type(error).__name__ == "MisconfigurationException" or not under_way:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{path} does not fit the training that is to resume from it ({type(error).__name__}: {reason}); expected "
            f"the same overrides as in its run, and an intact checkpoint: to start a new run from its weights, use "
            f"warm_start instead of ckpt_path"
        ) from error


def check_optimizer(optimizer: torch.optim.Optimizer, path: object) -> None:
    """Check that a restored optimizer can make a step.

    Raises:
        UserError: if a setting has another type than the optimizer's own, or a state does not fit its parameter.
    """
    faults = []
    for group in optimizer.param_groups:
        faults += [key for key, own in optimizer.defaults.items() if not _is_like(group.get(key), own)]
        for parameter in group["params"]:
            faults += [
                key for key, value in optimizer.state.get(parameter, {}).items() if not _fits(key, value, parameter)
            ]
    kept = [frozenset(state) for state in optimizer.state.values()]
    if faults or len(set(kept)) > 1:
        what = first_few([*dict.fromkeys(faults)], 3) or "entries for some parameters"
        raise UserError(
            f"{path} has an optimizer state whose {what} cannot be those of {type(optimizer).__name__}; expected a "
            f"checkpoint of the same optimizer, intact: to start a new run from its weights, use warm_start instead of "
            f"ckpt_path"
        )


def _fits(key: str, value: Any, parameter: Tensor) -> bool:
    if key in _LIKE_PARAMETERS:
        is_none = value is None and key == "momentum_buffer"
        return is_none or (isinstance(value, Tensor) and value.shape == parameter.shape and _is_number(value.sum()))
    return key != "step" or _is_number(value)


def _is_like(value: Any, own: Any) -> bool:
    if own is None or isinstance(own, bool):
        return value is None or isinstance(value, bool)
    if isinstance(own, int | float | Tensor):
        return _is_number(value)
    if isinstance(own, tuple | list):
        return isinstance(value, tuple | list) and len(value) == len(own) and all(map(_is_like, value, own))
    return isinstance(value, type(own))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _HIGHEST_COUNT


def _is_number(value: Any) -> bool:
    """Whether it is one finite number, or a tensor of one."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex() and bool(value.isfinite().all())
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_version(value: Any) -> bool:
    try:
        return isinstance(value, str) and Version(value) >= Version("2.0")
    except InvalidVersion:
        return False


def _is_counters(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_counters, value.values()))
    if isinstance(value, list):  # of the states of data loaders
        return all(isinstance(item, dict) and _is_counters(item) for item in value)
    return isinstance(value, bool) or _is_count(value)


def _is_table_of(has_form: Callable[[Any], bool], key: type = str) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(type(name) is key and has_form(item) for name, item in value.items())
    )


def _is_list_of(has_form: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(has_form, value))


def _has(**forms: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(name in value and has_form(value[name]) for name, has_form in forms.items())
    )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _is_plain(value: Any) -> bool:
    return not holds_tensors(value)


_FORMS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "epoch": ("a whole number", _is_count),
    "global_step": ("a whole number", _is_count),
    "pytorch-lightning_version": ("a version from 2.0 on", _is_version),
    "state_dict": ("tensors by name", _is_table_of(_is_tensor)),
    "loops": ("counters by name", _is_table_of(_is_table_of(_is_counters))),
    "optimizer_states": (
        "the state of each optimizer",
        _is_list_of(
            _has(
                state=_is_table_of(_is_table_of(lambda _: True), int),
                param_groups=_is_list_of(_has(params=_is_list_of(_is_count))),
            )
        ),
    ),
    "lr_schedulers": ("the state of each schedule", _is_list_of(_is_table_of(lambda _: True))),
    "callbacks": ("the state of each callback", _is_table_of(_is_table_of(lambda _: True))),
    "validation_metrics": ("numbers by name", _is_table_of(lambda value: isinstance(value, float))),
    "processes": (
        "the state of each process",
        _is_list_of(
            _has(
                pool=_has(inputs=_is_list_of(_is_tensor), fakes=_is_list_of(_is_tensor)),
                running_statistics=_is_table_of(_is_tensor),
            )
        ),
    ),
    "hyper_parameters": ("settings by name", lambda value: isinstance(value, dict) and _is_plain(value)),
    "MixedPrecision": ("the numbers of the gradient scaler", _is_table_of(_is_number)),
    "data": ("plain values", _is_plain),
}
"""The expected contents of each checked key of a checkpoint: in words, and as a predicate."""
