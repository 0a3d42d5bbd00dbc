"""Random numbers of a training step as a function of (seed, step, process)."""

from typing import Any

import lightning as L
import numpy as np
import torch


class StepSeed(L.Callback):
    """Seeds torch before every training batch.

    Dropout then differs between processes, which all start from one seed, and does not depend on earlier random
    numbers: a resumed run has the same dropout as an uninterrupted one.

    Args:
        seed: random numbers depend only on it, the step and the process.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        sequence = np.random.SeedSequence([self.seed, trainer.global_step, trainer.global_rank])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))
