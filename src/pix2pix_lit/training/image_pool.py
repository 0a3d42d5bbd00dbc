"""A history of fakes for the discriminator (Shrivastava et al. 2017, section 2.3)."""

import torch
from torch import Tensor

from pix2pix_lit.checks import check_integer


class ImagePool:
    """Shows the discriminator older fakes too, with the inputs that they were generated from.

    Until the pool is full, every pair is stored and returned. From then on a pair is returned with probability 1/2, and
    otherwise replaces a stored one, which is returned instead (Zhu et al. 2017, "CycleGAN", section 4, with 50). Draws
    from torch's default CPU generator.

    Args:
        size: number of pairs to store; 0 stores none and returns every pair unchanged.

    Raises:
        UserError: for a negative size.
    """

    def __init__(self, size: int = 0) -> None:
        check_integer("model.pool_size", size)
        self.size = size
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __call__(self, input: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) inputs and (N, C', H, W) fakes, detached -> the same shapes, a mix of new and older pairs."""
        if self.size == 0:
            return input, fake
        shown = [self._exchanged(pair) for pair in zip(input, fake, strict=True)]
        inputs, fakes = zip(*shown, strict=True)
        return torch.stack(inputs), torch.stack(fakes)

    def _exchanged(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        is_full = len(self.pairs) >= self.size
        if is_full and torch.rand(()) < 0.5:
            return pair
        kept = pair[0].clone(), pair[1].clone()  # a view would keep the batch in memory
        if not is_full:
            self.pairs.append(kept)
            return pair
        place = int(torch.randint(len(self.pairs), ()))
        older, self.pairs[place] = self.pairs[place], kept
        return older[0].to(pair[0].device), older[1].to(pair[1].device)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """The stored ``inputs`` and ``fakes``, plain tensors on the CPU."""
        inputs, fakes = ([pair[side].cpu() for pair in self.pairs] for side in (0, 1))
        return {"inputs": inputs, "fakes": fakes}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Restore the pairs of a ``state_dict``: the first ``size`` of them."""
        self.pairs = list(zip(state["inputs"], state["fakes"], strict=True))[: self.size]
