"""Pix2Pix: the LightningModule; two optimizers, stepped by hand."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning as L
import torch
import torch.distributed
from hydra.utils import instantiate
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

import pix2pix_lit
from pix2pix_lit.data.dataset import Batch
from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.losses import AdversarialLoss, ReconstructionLoss
from pix2pix_lit.metrics import PairedMetrics
from pix2pix_lit.networks.init import initialize

Spec = dict[str, Any]
"""Plain values only (they are stored in the checkpoint); ``_target_`` names the class, the rest its arguments."""


class Pix2Pix(L.LightningModule):
    """Conditional GAN for paired images (Isola et al. 2017, equation 4), trained as in the reference implementation.

    Every argument is a plain dictionary from the ``model`` config group and becomes a hyper-parameter of the
    checkpoint, which therefore describes itself.

    Args:
        generator: spec of the network that paints; see ``configs/model/generator``.
        discriminator: spec of the network that judges; not built if the adversarial weight is 0.
        adversarial: arguments of ``losses.AdversarialLoss``.
        reconstruction: arguments of ``losses.ReconstructionLoss``.
        generator_optimizer: spec of an optimizer without its parameters.
        discriminator_optimizer: the same for the discriminator.
        schedule: ``constant_epochs`` at the full learning rate, then ``decay_epochs`` of linear decay.
        init: arguments of ``networks.init.initialize``.
        input: arguments of ``ImageType``: what the generator gets, and so how many channels it sees.
        target: the same of what it paints.

    Raises:
        UserError: if both loss weights are 0 or a value is none that the classes know.
    """

    def __init__(
        self,
        generator: Spec,
        discriminator: Spec,
        adversarial: Spec,
        reconstruction: Spec,
        generator_optimizer: Spec,
        discriminator_optimizer: Spec,
        schedule: dict[str, int],
        init: Spec,
        input: Spec | None = None,
        target: Spec | None = None,
    ) -> None:
        super().__init__()
        input, target = input or RGB.as_dict(), target or RGB.as_dict()
        self.input_type, self.target_type = ImageType(**input), ImageType(**target)
        # The tensorboard callback logs them with their final metrics. For the frame see PairsDataModule.
        self.save_hyperparameters(frame=inspect.currentframe(), logger=False)
        self.automatic_optimization = False
        self.constant_epochs, self.decay_epochs = schedule["constant_epochs"], schedule["decay_epochs"]
        if self.constant_epochs < 0 or self.decay_epochs < 0:
            raise UserError(f"model.schedule is {schedule}; expected numbers of epochs, 0 or more")

        self.adversarial = AdversarialLoss(**adversarial)
        self.reconstruction = ReconstructionLoss(**reconstruction)
        if self.adversarial.weight == 0 and self.reconstruction.weight == 0:
            raise UserError(
                "model.adversarial.weight and model.reconstruction.weight are both 0, so there is nothing to learn; "
                "expected at least one above 0"
            )
        channels = self.input_type.network_channels, self.target_type.network_channels
        self.generator: nn.Module = instantiate(generator, in_channels=channels[0], out_channels=channels[1])
        initialize(self.generator, **init)
        self.discriminator: nn.Module | None = None
        if self.adversarial.weight > 0:
            self.discriminator = instantiate(discriminator, in_channels=channels[0], target_channels=channels[1])
            if self.adversarial.kind == "wgangp" and _has_batch_norm(self.discriminator):
                raise UserError(
                    "model.discriminator.norm is batch, but the gradient penalty of model/adversarial=wgangp is for "
                    "each image by itself (Gulrajani et al. 2017, section 4): set model.discriminator.norm=instance"
                )
            initialize(self.discriminator, **init)
        self.val_metrics = PairedMetrics()

    def forward(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) float images in [-1, 1] into (N, C', H, W) float images in [-1, 1]."""
        return self.generator(images)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch: draw a fake, move the discriminator, move the generator."""
        input = self.input_type.to_network(batch["input"])
        target = self.target_type.to_network(batch["target"])
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        losses: dict[str, Tensor] = {}
        fake = self.generator(input)

        if self.discriminator is not None:
            discriminator_optimizer = optimizers[1]
            self._leave_out_of_step_count(discriminator_optimizer)
            with self._only(discriminator_optimizer):
                losses["D_fake"] = self.adversarial.on_fake(self.discriminator(input, fake.detach()))
                losses["D_real"] = self.adversarial.on_real(self.discriminator(input, target))
                loss = losses["D_fake"] + losses["D_real"]
                if self.adversarial.kind == "wgangp":
                    penalty = self.adversarial.penalty(self.discriminator, input, target, fake.detach())
                    losses["D_penalty"] = penalty
                    loss = loss + penalty
                else:
                    loss = loss / 2  # "slows down the rate at which D learns relative to G" (section 3.3)
                self._descend(discriminator_optimizer, loss)

        generator_optimizer = optimizers[0]
        with self._only(generator_optimizer):
            loss = torch.zeros((), device=self.device)
            if self.discriminator is not None:
                losses["G_adversarial"] = self.adversarial.for_generator(self.discriminator(input, fake))
                loss = loss + self.adversarial.weight * losses["G_adversarial"]
            if self.reconstruction.weight > 0:
                losses["G_reconstruction"] = self.reconstruction(fake, target)
                loss = loss + self.reconstruction.weight * losses["G_reconstruction"]
            self._descend(generator_optimizer, loss)

        self.log_dict({f"loss/{name}": value.detach() for name, value in losses.items()}, prog_bar=True)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Let a run that ``max_steps`` ends be validated, and its best model kept, before it stops."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def on_train_epoch_start(self) -> None:
        """Refuse an epoch in which nothing would be learnt."""
        if self.current_epoch >= self.constant_epochs + self.decay_epochs:
            raise UserError(self._beyond_schedule())

    def on_train_epoch_end(self) -> None:
        """Log and move the learning rates; under manual optimization nobody else does."""
        names = ("generator", "discriminator")
        for name, config in zip(names, self.trainer.lr_scheduler_configs, strict=False):
            self.log(f"learning_rate/{name}", config.scheduler.get_last_lr()[0], sync_dist=True)
            config.scheduler.step()  # type: ignore[call-arg]

    def on_validation_epoch_start(self) -> None:
        """Bring BatchNorm's running statistics of all processes together."""
        self._average_running_statistics()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch in ``val/l1``, ``val/psnr`` and ``val/ssim``."""
        input = self.input_type.to_network(batch["input"])
        target = self.target_type.to_network(batch["target"])
        self.val_metrics.update(self.generator(input), target)
        for name, metric in self.val_metrics.named().items():
            self.log(f"val/{name}", metric, prog_bar=True, batch_size=len(input))

    def configure_optimizers(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Generator first, then the discriminator if there is one, each with its schedule."""

        def factor(epoch: int) -> float:
            # The reference's linear schedule: the decay would reach 0 one epoch after the last.
            decayed = max(0, epoch + 1 - self.constant_epochs) / (self.decay_epochs + 1)
            return max(0.0, 1.0 - decayed)

        networks = {"generator": self.generator, "discriminator": self.discriminator}
        configured = []
        for name, network in networks.items():
            if network is not None:
                spec = self.hparams[f"{name}_optimizer"]
                try:
                    optimizer = instantiate(spec, _partial_=True)(network.parameters())
                except (TypeError, ValueError) as error:
                    raise UserError(f"model.{name}_optimizer is {spec}, which is refused: {error}") from error
                configured.append({"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor)}})
        return configured

    def on_fit_start(self) -> None:
        """Refuse what cannot work before the first batch."""
        if not isinstance(self.trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            raise UserError(
                f"trainer.strategy is {type(self.trainer.strategy).__name__}; Pix2Pix averages gradients itself and "
                f"works on one device or with ddp: set trainer.strategy=auto"
            )
        scheduled = self.constant_epochs + self.decay_epochs
        epochs = self.trainer.max_epochs
        if epochs is not None and epochs > scheduled:
            raise UserError(self._beyond_schedule())
        if epochs is not None and 0 <= epochs < scheduled:
            rank_zero_info(
                f"The learning rate schedule is {self.constant_epochs} constant + {self.decay_epochs} decaying epochs; "
                f"trainer.max_epochs={epochs} stops before its end."
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note who wrote the file; all processes agree on what is in it."""
        self._average_running_statistics()
        checkpoint["pix2pix_lit_version"] = pix2pix_lit.__version__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say where the configuration differs from that of the checkpoint a run goes on from.

        Raises:
            UserError: if the networks are others than those whose weights it holds.
        """
        stored = checkpoint.get("hyper_parameters", {})
        changes = [
            f"model.{key} is {value}, but was {stored.get(key)} in the checkpoint"
            for key, value in self.hparams.items()
            if value != stored.get(key)
        ]
        shapes, stored_shapes = (
            {name: value.shape for name, value in state.items()}
            for state in (self.state_dict(), checkpoint["state_dict"])
        )
        if shapes != stored_shapes:
            raise UserError(
                "the checkpoint to go on from holds the weights of other networks; expected the overrides that its run "
                f"had: {'; '.join(changes)}"
            )
        for change in changes:
            which = "the checkpoint's" if "_optimizer is" in change else "the new"
            rank_zero_warn(f"{change}: the run goes on with {which} value")

    def _beyond_schedule(self) -> str:
        return (
            f"trainer.max_epochs={self.trainer.max_epochs} is beyond the end of the learning rate schedule "
            f"({self.constant_epochs} constant + {self.decay_epochs} decaying epochs), where nothing is learnt any "
            f"more: raise model.schedule.constant_epochs or model.schedule.decay_epochs"
        )

    @contextmanager
    def _only(self, optimizer: LightningOptimizer) -> Iterator[None]:
        """Within: gradients for this optimizer's parameters alone, and none averaged by DistributedDataParallel.

        DistributedDataParallel expects every parameter in every backward pass, which two networks in turn never
        give it; ``_descend`` averages instead, each network's gradients once.
        """
        strategy = self.trainer.strategy
        unsynced = strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()
        with unsynced, self.toggled_optimizer(optimizer):
            yield

    def _descend(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One optimizer step down the gradient of ``loss``, averaged over processes."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._average([p.grad for p in parameters if p.grad is not None])
        optimizer.step()

    def _leave_out_of_step_count(self, optimizer: LightningOptimizer) -> None:
        """Lightning counts every optimizer's steps in ``global_step``; a batch shall count once (the generator's).

        Done for every batch, since Lightning sets both hooks anew before each (Lightning issue 17958).
        """
        profiler = self.trainer.profiler  # type: ignore[attr-defined]
        optimizer._on_before_step = lambda: profiler.start("optimizer_step")
        optimizer._on_after_step = lambda: profiler.stop("optimizer_step")

    def _average_running_statistics(self) -> None:
        """Lightning's DDP hardly ever synchronises buffers under manual optimization, so this does."""
        self._average(
            [
                statistic
                for module in self.modules()
                if isinstance(module, nn.modules.batchnorm._BatchNorm)
                for statistic in (module.running_mean, module.running_var)
                if statistic is not None
            ]
        )

    def _average(self, tensors: list[Tensor]) -> None:
        """Replace every tensor by its mean over processes; one message for all."""
        if self.trainer.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.trainer.world_size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))


def _has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
