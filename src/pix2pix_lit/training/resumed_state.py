"""Comparison of a checkpoint with the model that resumes from it."""

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pix2pix_lit.checkpoints.loading import check_numbers
from pix2pix_lit.errors import UserError

log = logging.getLogger(__name__)


def check_networks(
    checkpoint: dict[str, Any], state: Mapping[str, Tensor], optimizers: int, changes: list[str], path: object
) -> None:
    """Refuse a checkpoint of other networks, or with weights that are not finite.

    Args:
        checkpoint: what is resumed from.
        state: the model's ``state_dict``.
        optimizers: how many the model has.
        changes: the settings that differ, from ``changed_settings``, for messages.
        path: of the checkpoint, for messages.

    Raises:
        UserError: naming what differs.
    """
    stored = checkpoint["state_dict"]
    if {name: value.shape for name, value in state.items()} != {name: value.shape for name, value in stored.items()}:
        raise UserError(
            "the checkpoint to resume from holds the weights of other networks; expected the same overrides as in its "
            f"run: {'; '.join(changes)}. To start a new run from its weights, use warm_start instead of ckpt_path"
        )
    check_numbers(stored, state, path)
    if (found := len(checkpoint["optimizer_states"])) != optimizers:
        raise UserError(
            f"{path} has the states of {found} optimizers; expected {optimizers}: get an intact copy, or use "
            f"warm_start instead of ckpt_path"
        )


def check_process_state(
    own: dict[str, Any], statistics: Mapping[str, Tensor], channels: tuple[int, int], path: object
) -> None:
    """Refuse running statistics and pooled fakes of one process that do not fit its networks.

    Args:
        own: the process's entry in the checkpoint's ``processes``.
        statistics: the running statistics of its networks.
        channels: of the images in the pool: inputs and fakes.
        path: of the checkpoint, for messages.

    Raises:
        UserError: if they do not fit, or are not finite.
    """
    inputs, fakes = own["pool"]["inputs"], own["pool"]["fakes"]
    is_pool = len(inputs) == len(fakes) and all(
        tensor.dim() == 3 and len(tensor) == count and tensor.is_floating_point() and tensor.isfinite().all()
        for tensors, count in zip((inputs, fakes), channels, strict=True)
        for tensor in tensors
    )
    stored = own["running_statistics"]
    shapes, stored_shapes = ({name: it.shape for name, it in tensors.items()} for tensors in (statistics, stored))
    if shapes != stored_shapes or not is_pool:
        raise UserError(
            f"{path} holds running statistics or pooled fakes that do not fit these networks; expected an intact "
            f"checkpoint of the same networks: get another copy"
        )
    check_numbers(stored, statistics, path)


def changed_settings(name: str, new: Any, old: Any) -> list[str]:
    """Describe every value of a nested dictionary that differs from the checkpoint's."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys = dict.fromkeys([*new, *old])
        return [change for key in keys for change in changed_settings(f"{name}.{key}", new.get(key), old.get(key))]
    return [] if new == old else [f"{name} is {new}, but was {old} in the checkpoint"]


def warn_of_changes(changes: list[str]) -> None:
    """Log which value of each changed setting the resumed run uses.

    The state of an optimizer includes all of its settings except the learning rate, which follows the schedule.
    """
    for change in changes:
        key = change.partition(" ")[0]
        is_state = "_optimizer." in key and not key.endswith(".lr")
        log.warning("%s: the run resumes with the %s value", change, "checkpoint's" if is_state else "new")
