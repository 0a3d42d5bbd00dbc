"""Learning rates over a run, a pure function of epoch and step."""

import math
from typing import Literal

from pix2pix_lit.checks import check_choice, check_integer

Decay = Literal["linear", "cosine"]


class LearningRateSchedule:
    """Warm-up over the first steps, a constant rate, and decay towards 0.

    Stateless, so there is nothing to restore when a run resumes: see ``factor``.

    Args:
        constant_epochs: epochs at the full rate.
        decay_epochs: epochs of decay after them; it would reach 0 one epoch later, as in the reference implementation.
        decay: ``linear`` (the reference implementation's) or ``cosine`` (Loshchilov & Hutter 2017, equation 5, without
            restarts).
        warmup_steps: batches over which the rate rises linearly from nearly 0 (Goyal et al. 2017, section 2.2).

    Raises:
        UserError: for a negative number or an unknown ``decay``.
    """

    def __init__(self, constant_epochs: int, decay_epochs: int, decay: Decay = "linear", warmup_steps: int = 0) -> None:
        for name, value in (
            ("constant_epochs", constant_epochs),
            ("decay_epochs", decay_epochs),
            ("warmup_steps", warmup_steps),
        ):
            check_integer(f"model.schedule.{name}", value)
        check_choice("model.schedule.decay", decay, Decay)
        self.constant_epochs = constant_epochs
        self.decay_epochs = decay_epochs
        self.decay = decay
        self.warmup_steps = warmup_steps

    @property
    def epochs(self) -> int:
        """Epochs with a rate above 0."""
        return self.constant_epochs + self.decay_epochs

    def beyond_its_end(self, epochs: int | None) -> str:
        """The message for a training of so many epochs, more than the schedule has."""
        return (
            f"trainer.max_epochs={epochs} is beyond the end of the learning rate schedule ({self.constant_epochs} "
            f"constant + {self.decay_epochs} decaying epochs), after which the learning rate is 0: raise "
            f"model.schedule.constant_epochs or model.schedule.decay_epochs"
        )

    def factor(self, epoch: int, step: int) -> float:
        """Factor on a learning rate, 0 to 1, in training step ``step`` of ``epoch``, both from 0."""
        done = min(1.0, max(0, epoch + 1 - self.constant_epochs) / (self.decay_epochs + 1))
        decayed = 1.0 - done if self.decay == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return decayed * warm
