"""The objective of a network: a weighted sum of terms, each of which names the tensors it needs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from pix2pix_lit.checks import check_number

Network = Literal["generator", "discriminator"]

Need = Literal[
    "input", "target", "void", "fake", "fake_output", "fake_input", "target_output", "target_input", "discriminator"
]
"""What a term can be given. N images of a batch, all float:

- ``input``: (N, C, H, W) in [-1, 1], what the generator is given.
- ``target``: (N, C', H, W) in [-1, 1], the real image of the pair.
- ``void``: the class that is not learnt of targets that are class numbers, an integer, or None.
- ``fake``: (N, C', H, W) in [-1, 1], the generator's; detached in the discriminator's objective.
- ``fake_output``, ``target_output``: what the discriminator returns for fakes and targets, a list of
  ``DiscriminatorOutput``, one per scale: logits and features. ``target_output`` is a constant in the generator's
  objective.
- ``fake_input``, ``target_input``: (N, C, H, W), the inputs that the discriminator saw beside them: augmented, and
  those of older fakes where there is an image pool.
- ``discriminator``: the network itself, for terms that need its gradient at an image.
"""


class Term(NamedTuple):
    """One summand of an objective.

    Attributes:
        name: as it is logged, below ``loss/``.
        network: whose objective it belongs to.
        weight: factor; 0 leaves the term out.
        needs: what ``loss`` is called with, in this order.
        loss: returns the scalar, not yet weighted.
        every: training steps from one evaluation to the next.
    """

    name: str
    network: Network
    weight: float
    needs: tuple[Need, ...]
    loss: Callable[..., Tensor]
    every: int = 1


class Loss(nn.Module):
    """Base of every loss: subclasses set ``needs`` and define ``forward`` with these arguments, in this order.

    Args:
        weight: factor on the term; 0 leaves it out.

    Raises:
        UserError: for a negative weight.
    """

    key: ClassVar[str]
    """Where the loss stands in the config, for messages: ``reconstruction`` of ``model.reconstruction.weight``."""

    needs: ClassVar[tuple[Need, ...]]

    channels: ClassVar[tuple[int, ...] | None] = None
    """The numbers of channels of targets that it takes; None for any."""

    classes_only: ClassVar[bool] = False
    """Whether it takes targets that are class numbers alone."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        check_number(f"model.{self.key}.weight", weight)
        self.weight = weight

    def terms(self, name: str) -> list[Term]:
        """The terms of this loss: one of the generator's objective, unless a subclass says otherwise."""
        return [Term(f"G_{name}", "generator", self.weight, self.needs, self)]


class Objective:
    """The weighted sum of a network's terms.

    Args:
        terms: in the order in which they are evaluated; those of weight 0 are left out.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = [term for term in terms if term.weight > 0]

    def needs(self, *names: Need) -> bool:
        """Whether any term needs one of these."""
        return any(name in term.needs for term in self.terms for name in names)

    def __call__(self, given: Mapping[Need, Any], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Evaluate the terms that are due in a training step.

        Args:
            given: at least what the terms need.
            step: number of the step, from 0.

        Returns:
            The weighted sum, a scalar, and each term by its name, not weighted.
        """
        due = [term for term in self.terms if step % term.every == 0]
        values = {term.name: term.loss(*(given[need] for need in term.needs)) for term in due}
        return torch.stack([term.weight * values[term.name] for term in due]).sum(), values
