"""Decisions that all training processes make together."""

from typing import Any

import lightning as L
import torch
import torch.distributed


class Agreement:
    """Exchanges small values between processes through their CPUs, without waiting for a GPU.

    All processes create one, and call the same methods in the same order.

    Args:
        trainer: of this process.
    """

    def __init__(self, trainer: L.Trainer) -> None:
        self._group: Any = torch.distributed.new_group(backend="gloo") if trainer.world_size > 1 else None

    def highest(self, value: int) -> int:
        """The highest value of all processes."""
        return -self.lowest(-value)

    def lowest(self, value: int) -> int:
        """The lowest value of all processes."""
        if self._group is None:
            return value
        values = torch.tensor(int(value))
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MIN, group=self._group)
        return int(values)

    def first(self, text: str | None) -> str | None:
        """The text of the lowest rank that has one; None if no rank has."""
        if self._group is None or not self.highest(text is not None):
            return text
        texts: list[str | None] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(texts, text, group=self._group)
        return next(text for text in texts if text is not None)
