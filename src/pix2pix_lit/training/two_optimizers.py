"""The mechanics of one optimizer step of one network, under manual optimization and in several processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from pix2pix_lit.distributed import average_over_processes
from pix2pix_lit.errors import UserError
from pix2pix_lit.internals.lightning import leave_out_of_step_count
from pix2pix_lit.training.arguments import NETWORKS
from pix2pix_lit.training.micro_batch import MicroBatch
from pix2pix_lit.training.schedule import LearningRateSchedule


class TwoOptimizers(L.LightningModule):
    """A LightningModule of a generator and perhaps a discriminator, each with its own optimizer.

    Attributes:
        generator: trained by the first optimizer.
        discriminator: trained by the second; None if there is none.
        schedule: of the learning rates of both.
        gradient_clip: largest norm of the gradient of each network by its name; None for no limit.
        is_logged: whether the values of this training step go to the loggers.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    schedule: LearningRateSchedule
    gradient_clip: dict[str, float | None]
    is_logged: bool = False

    def networks(self) -> dict[str, nn.Module]:
        """The networks that are trained, by name, in the order of their optimizers."""
        networks = {name: getattr(self, name) for name in NETWORKS}
        return {name: network for name, network in networks.items() if network is not None}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Generator first, then the discriminator if there is one."""
        optimizers = []
        for name, network in self.networks().items():
            spec = self.hparams[f"{name}_optimizer"]
            parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
            try:
                optimizers.append(instantiate(spec, _partial_=True)(parameters))
            except (TypeError, ValueError, RuntimeError) as error:
                raise UserError(f"model.{name}_optimizer is {spec}, which is refused: {error}") from error
        return optimizers

    def set_learning_rates(self) -> None:
        """Set both optimizers to the learning rates of this training step."""
        factor = self.schedule.factor(self.current_epoch, self.trainer.global_step)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * factor

    def step_network(
        self,
        name: str,
        loss_of: Callable[[MicroBatch], tuple[Tensor, dict[str, Tensor]]],
        parts: list[MicroBatch],
        *,
        counts: bool,
    ) -> dict[str, Tensor]:
        """One step of a network's optimizer, with the gradient of the mean loss over parts and processes.

        Args:
            name: ``generator`` or ``discriminator``.
            loss_of: the loss of a part, and its terms.
            parts: of the batch.
            counts: whether the step counts in ``global_step``, which one step per batch does.

        Returns:
            The mean of each term over the parts, detached.
        """
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        optimizer = optimizers[NETWORKS.index(name)]
        if not counts:
            leave_out_of_step_count(self.trainer, optimizer)
        means: dict[str, Tensor] = {}
        with self._only(optimizer):
            optimizer.zero_grad()
            for part in parts:
                loss, terms = loss_of(part)
                self.manual_backward(loss if len(parts) == 1 else loss * part.share)
                for term, value in terms.items():
                    mean = value.detach() if len(parts) == 1 else value.detach() * part.share
                    means[term] = means[term] + mean if term in means else mean
            average_over_processes([p.grad for p in _parameters(optimizer) if p.grad is not None])
            optimizer.step()
        return means

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Limit the norm of the gradient to ``gradient_clip``, and log it."""
        name = NETWORKS[self.trainer.optimizers.index(optimizer)]
        limit = self.gradient_clip[name]
        if limit is None:
            return
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and any(group.get("fused") for group in optimizer.param_groups):
            scaler.unscale_(optimizer)  # a fused optimizer unscales itself, but only after clipping
        norm = nn.utils.clip_grad_norm_(_parameters(optimizer), limit)
        if self.is_logged:
            self.log(f"gradient_norm/{name}", norm)

    @contextmanager
    def _only(self, optimizer: LightningOptimizer) -> Iterator[None]:
        """Within: gradients for this optimizer's parameters only, not averaged by DistributedDataParallel.

        DistributedDataParallel expects every parameter in every backward pass, but each pass here is of one network;
        ``step_network`` averages its gradients instead.
        """
        strategy = self.trainer.strategy
        unsynced = strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()
        with unsynced, self.toggled_optimizer(optimizer):
            yield


def _parameters(optimizer: LightningOptimizer | torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
