"""A training that takes a moment, to be stopped and resumed in every place."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger

from pix2pix_lit.checkpoints.saving import AtomicCheckpointIO
from pix2pix_lit.data.loader import EpochSampler, PairLoader
from pix2pix_lit.internals.lightning import correct_loop_progress, log_at_global_step

from ..trainers import silent_trainer

BATCHES, VAL_BATCHES = 4, 3


class Numbers(torch.utils.data.Dataset):
    """Pairs of nothing but a name and a number that depends on epoch and index."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, draws: list[Any]) -> dict[str, Any]:
        numbers = [[float(draw.epoch * 10 + draw.pair)] for draw in draws]
        return {"input": torch.tensor(numbers), "name": [f"{draw.epoch}-{draw.pair}" for draw in draws]}


class Small(L.LightningModule):
    """One weight, learnt with momentum; keeps what it was shown and what its validations came to."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(3.0))
        self.batches: list[tuple[int, list[str]]] = []
        self.validations: list[tuple[int, float]] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        self.batches.append((self.current_epoch, batch["name"]))
        loss = (self.weight * batch["input"]).mean() + self.weight**2
        self.log("loss/G", loss)
        return {"loss": loss}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        log_at_global_step(self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        correct_loop_progress(self.trainer, checkpoint)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.log("val/l1", (self.weight * batch["input"]).abs().mean(), batch_size=len(batch["name"]))

    def on_validation_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.validations.append((self.global_step, float(self.trainer.callback_metrics["val/l1"])))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


class Steps(DummyLogger):
    """Keeps the x axis of the training loss."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        if "loss/G" in metrics:
            self.steps.append(step)


@pytest.fixture
def fit(tmp_path: Path):
    """Fit a new ``Small`` for three epochs of four batches; returns it, its trainer and the logged steps."""

    def run(callbacks, ckpt_path=None, **options):
        module, logger = Small(), Steps()
        usual = {"max_epochs": 3, "logger": logger, "log_every_n_steps": 1, "num_sanity_val_steps": 1}
        usual |= {"enable_checkpointing": True, "plugins": [AtomicCheckpointIO()], "default_root_dir": tmp_path}
        trainer = silent_trainer(callbacks=callbacks, **usual | options)
        loaders = (
            PairLoader(Numbers(2 * length), EpochSampler(2 * length, 2, shuffle=shuffle), 0, 2, False)
            for length, shuffle in ((BATCHES, True), (VAL_BATCHES, False))
        )
        try:
            trainer.fit(module, *loaders, ckpt_path=ckpt_path, weights_only=True)
        except SystemExit as end:
            module.exit_status = end.code
        return module, trainer, logger.steps

    return run
