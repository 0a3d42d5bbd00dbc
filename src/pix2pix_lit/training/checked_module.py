"""What surrounds the training step: checks before it, several processes, and the module's part of a checkpoint."""

import io
from typing import Any, Self

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

import pix2pix_lit
from pix2pix_lit.checkpoints.loading import read_checkpoint
from pix2pix_lit.checkpoints.resume import check_optimizer
from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import Batch
from pix2pix_lit.distributed import average_over_processes, gathered, running_statistics
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.internals.lightning import correct_loop_progress, log_at_global_step
from pix2pix_lit.metrics.metric_set import MetricSet
from pix2pix_lit.training import arguments, resumed_state
from pix2pix_lit.training.image_pool import ImagePool
from pix2pix_lit.training.measured import check_same_on_all_processes
from pix2pix_lit.training.two_optimizers import TwoOptimizers


class CheckedModule(TwoOptimizers):
    """Two networks in one or several processes, whose training is checked and resumes exactly.

    Attributes:
        input_type: the images to translate.
        target_type: the images to generate.
        pool: of earlier fakes, one for each process.
        val_metrics: measured by every validation.
    """

    input_type: ImageType
    target_type: ImageType
    pool: ImagePool
    val_metrics: MetricSet

    def __init__(self) -> None:
        super().__init__()
        self._own_statistics: dict[str, Tensor] = {}  # this process's, from the checkpoint that it resumes from

    def on_fit_start(self) -> None:
        """Refuse what cannot work before the first batch."""
        arguments.check_trainer(self.trainer)
        check_same_on_all_processes(self.val_metrics.metrics)
        epochs = self.trainer.max_epochs
        if epochs is not None and epochs > self.schedule.epochs:
            raise UserError(self.schedule.beyond_its_end(epochs))
        if epochs is not None and 0 <= epochs < self.schedule.epochs:
            rank_zero_info(
                f"The learning rate schedule is {self.schedule.constant_epochs} constant + "
                f"{self.schedule.decay_epochs} decaying epochs; trainer.max_epochs={epochs} stops before its end."
            )

    def on_train_start(self) -> None:
        """Restore this process's running statistics, and keep DistributedDataParallel from overwriting them.

        It replaces those of all processes by the first one's when it is built and in its first pass.
        """
        if isinstance(self.trainer.strategy.model, DistributedDataParallel):
            self.trainer.strategy.model.broadcast_buffers = False
        if self.trainer.ckpt_path is not None:
            for optimizer in self.trainer.optimizers:
                check_optimizer(optimizer, self.trainer.ckpt_path)
        own = running_statistics(self)
        for name, value in self._own_statistics.items():
            own[name].copy_(value)
        self._own_statistics = {}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Log a batch at its ``global_step``, also in a resumed run."""
        log_at_global_step(self.trainer)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Have a run that ``max_steps`` ends validate, and store its best model, before it stops."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def on_train_epoch_start(self) -> None:
        """Refuse an epoch whose learning rate is 0."""
        if self.current_epoch >= self.schedule.epochs:
            raise UserError(self.schedule.beyond_its_end(self.trainer.max_epochs))

    def on_validation_epoch_start(self) -> None:
        """Average BatchNorm's running statistics over processes.

        Under manual optimization, DDP hardly ever synchronises buffers itself.
        """
        average_over_processes(list(running_statistics(self).values()))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the version, the data, and each process's pool and running statistics.

        The stored weights have the mean of the running statistics over processes. The processes keep their own, so
        saving a checkpoint does not change the run.
        """
        correct_loop_progress(self.trainer, checkpoint)
        checkpoint["pix2pix_lit_version"] = pix2pix_lit.__version__
        if isinstance(datamodule := getattr(self.trainer, "datamodule", None), PairsDataModule):
            checkpoint["data"] = datamodule.describe()
        statistics = {name: value.clone() for name, value in running_statistics(self).items()}
        own = {
            "pool": self.pool.state_dict(),
            "running_statistics": {k: v.cpu().clone() for k, v in statistics.items()},
        }
        checkpoint["processes"] = gathered(own)
        average_over_processes(list(statistics.values()))
        checkpoint["state_dict"] |= statistics

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **options: Any) -> Self:
        """The module in a checkpoint of this version or of 0.1.0, from a trusted source: it names the classes to build.

        Args:
            checkpoint_path: of the file.
            arguments: as of ``LightningModule.load_from_checkpoint``.
            options: the same.

        Raises:
            UserError: as ``read_checkpoint``.
        """
        current = io.BytesIO()
        torch.save(read_checkpoint(checkpoint_path), current)
        current.seek(0)
        return super().load_from_checkpoint(current, *arguments, **options)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that a checkpoint fits, take this process's own state from it, and warn of changed settings.

        Raises:
            UserError: if its networks are others, or what it holds is not finite or does not fit them.
        """
        try:
            path = self.trainer.ckpt_path
        except RuntimeError:  # no trainer: load_from_checkpoint takes the weights alone
            return
        changes = resumed_state.changed_settings("model", dict(self.hparams), checkpoint.get("hyper_parameters", {}))
        resumed_state.check_networks(checkpoint, self.state_dict(), len(self.networks()), changes, path)
        processes = checkpoint.get("processes", [])
        if len(processes) == self.trainer.world_size:
            own = processes[self.trainer.global_rank]
            channels = self.input_type.network_channels, self.target_type.network_channels
            resumed_state.check_process_state(own, running_statistics(self), channels, path)
            self._own_statistics = own["running_statistics"]
            self.pool.load_state_dict(own["pool"])
        resumed_state.warn_of_changes(changes)
