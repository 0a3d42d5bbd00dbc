"""Pix2Pix: the LightningModule; two optimizers, stepped by hand."""

import copy
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import lightning as L
import torch
import torch.distributed
from hydra.utils import instantiate
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import pix2pix_lit
from pix2pix_lit.checkpoints.loading import check_numbers
from pix2pix_lit.checkpoints.resume import check_optimizer
from pix2pix_lit.checks import ArgumentsOf
from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import Batch
from pix2pix_lit.distributed import BATCH_NORMS, average_over_processes, gathered, running_statistics
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.internals.lightning import correct_loop_progress, leave_out_of_step_count, log_at_global_step
from pix2pix_lit.losses import AdversarialLoss, FeatureMatchingLoss, PerceptualLoss, ReconstructionLoss
from pix2pix_lit.memory import explain_out_of_memory
from pix2pix_lit.metrics.paired import PairedMetrics
from pix2pix_lit.networks.discriminators.output import DiscriminatorOutput, split_outputs
from pix2pix_lit.networks.layers.init import initialize
from pix2pix_lit.networks.layers.norm import frozen_running_statistics, statistics_of_parts, synchronise_statistics
from pix2pix_lit.training.diff_augment import DiffAugment
from pix2pix_lit.training.image_pool import ImagePool
from pix2pix_lit.training.micro_batch import MicroBatch, divide
from pix2pix_lit.training.schedule import LearningRateSchedule
from pix2pix_lit.training.weights import freeze as freeze_parameters
from pix2pix_lit.training.weights import update_moving_average

log = logging.getLogger(__name__)

Spec = dict[str, Any]
"""Plain values only (they are stored in the checkpoint); ``_target_`` names the class, the rest its arguments."""

NETWORKS = ("generator", "discriminator")
"""In the order of their optimizers."""

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")

TRAINING_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")


class Pix2Pix(L.LightningModule):
    """Conditional GAN for paired images (Isola et al. 2017, equation 4), trained as in the reference implementation.

    Every argument is a plain value from the ``model`` config group and becomes a hyper-parameter of the checkpoint,
    which therefore describes itself. What the paper does not have is off by default.

    Args:
        generator: spec of the network that paints; see ``configs/model/generator``.
        discriminator: spec of the network that judges; not built if the adversarial weight is 0.
        adversarial: arguments of ``losses.AdversarialLoss``.
        reconstruction: arguments of ``losses.ReconstructionLoss``.
        generator_optimizer: spec of an optimizer without its parameters.
        discriminator_optimizer: the same for the discriminator.
        schedule: arguments of ``LearningRateSchedule``.
        init: arguments of ``networks.init.initialize``.
        feature_matching: arguments of ``losses.FeatureMatchingLoss``.
        perceptual: arguments of ``losses.PerceptualLoss``.
        diff_augment: policies of ``networks.DiffAugment``, through which the discriminator sees images (but for the
            gradient penalties).
        pool_size: fakes kept for the discriminator to see again; see ``networks.ImagePool``.
        discriminator_steps: batches that the discriminator learns from for one that the generator learns from (5 in
            Gulrajani et al. 2017, algorithm 1).
        ema_decay: of the moving average of the generator's weights that is used outside of training; 0 for none.
        gradient_clip: largest norm of the gradient of ``generator`` and ``discriminator``; None for no limit.
        micro_batches: parts that a batch is worked through in, to save memory: gradients add up to those of the whole
            batch (norm layers of the kind ``batch`` see the parts by themselves).
        sync_batch_norm: whether norm layers of the kind ``batch`` take their statistics over all processes.
        compile: mode of ``torch.compile`` for both networks; None leaves them as they are.
        freeze: patterns of names of parameters that stay as they are, such as ``generator.encoder.*``.
        input: arguments of ``ImageType``: what the generator gets, and so how many channels it sees.
        target: the same of what it paints.

    Raises:
        UserError: if both loss weights are 0 or a value is none that the classes know.
    """

    def __init__(
        self,
        generator: Spec,
        discriminator: Spec,
        adversarial: Annotated[Spec, ArgumentsOf(AdversarialLoss)],
        reconstruction: Annotated[Spec, ArgumentsOf(ReconstructionLoss)],
        generator_optimizer: Spec,
        discriminator_optimizer: Spec,
        schedule: Annotated[Spec, ArgumentsOf(LearningRateSchedule)],
        init: Annotated[Spec, ArgumentsOf(initialize)],
        feature_matching: Annotated[Spec | None, ArgumentsOf(FeatureMatchingLoss)] = None,
        perceptual: Annotated[Spec | None, ArgumentsOf(PerceptualLoss)] = None,
        diff_augment: list[str] | None = None,
        pool_size: int = 0,
        discriminator_steps: int = 1,
        ema_decay: float = 0.0,
        gradient_clip: dict[str, float | None] | None = None,
        micro_batches: int = 1,
        sync_batch_norm: bool = False,
        compile: str | None = None,
        freeze: list[str] | None = None,
        input: Spec | None = None,
        target: Spec | None = None,
    ) -> None:
        super().__init__()
        input, target = input or RGB.as_dict(), target or RGB.as_dict()
        self.input_type, self.target_type = ImageType(**input), ImageType(**target)
        # The tensorboard callback logs them with their final metrics. For the frame see PairsDataModule.
        self.save_hyperparameters(frame=inspect.currentframe(), logger=False)
        self.automatic_optimization = False
        for name, count in (("discriminator_steps", discriminator_steps), ("micro_batches", micro_batches)):
            if type(count) is not int or count < 1:
                raise UserError(f"model.{name} is {count!r}; expected a whole number, 1 or more")
        if not isinstance(ema_decay, int | float) or not 0 <= ema_decay < 1:
            raise UserError(f"model.ema_decay is {ema_decay!r}; expected 0 (none) or a number below 1, such as 0.999")
        if compile is not None and compile not in COMPILE_MODES:
            raise UserError(f"model.compile is {compile!r}; expected null or one of {', '.join(COMPILE_MODES)}")
        self.gradient_clip = dict.fromkeys(NETWORKS) | (gradient_clip or {})
        for name, limit in self.gradient_clip.items():
            if name not in NETWORKS or (limit is not None and not limit > 0):
                raise UserError(
                    f"model.gradient_clip.{name} is {limit}; expected null or a number above 0 for generator or "
                    f"discriminator"
                )
        self.schedule = LearningRateSchedule(**schedule)
        self.discriminator_steps = discriminator_steps if adversarial.get("weight", 1) else 1
        self.micro_batches = micro_batches
        self.ema_decay = ema_decay
        self.compile_mode = compile

        self.adversarial = AdversarialLoss(**adversarial)
        self.reconstruction = ReconstructionLoss(**reconstruction)
        self.feature_matching = FeatureMatchingLoss(**feature_matching or {})
        perceptual_loss = PerceptualLoss(**perceptual or {})
        self.perceptual = perceptual_loss if perceptual_loss.weight > 0 else None
        if self.adversarial.weight == self.reconstruction.weight == perceptual_loss.weight == 0:
            raise UserError(
                "model.adversarial.weight, model.reconstruction.weight and model.perceptual.weight are all 0, so there "
                "is nothing to learn; expected at least one above 0"
            )
        channels = self.input_type.network_channels, self.target_type.network_channels
        if self.perceptual is not None and channels[1] not in (1, 3):
            raise UserError(
                f"model.perceptual.weight is {self.perceptual.weight}, but targets have {channels[1]} channels; the "
                f"networks of the perceptual loss know 1 (gray) and 3 (RGB): set model.perceptual.weight=0"
            )
        self.generator: nn.Module = instantiate(generator, in_channels=channels[0], out_channels=channels[1])
        initialize(self.generator, **init)
        self.discriminator: nn.Module | None = None
        if self.adversarial.weight > 0:
            self.discriminator = instantiate(discriminator, in_channels=channels[0], target_channels=channels[1])
            if self.adversarial.penalises_gradients and _has_batch_norm(self.discriminator):
                raise UserError(
                    "model.discriminator.norm is batch, but the gradient penalties of model/adversarial=wgangp and "
                    "model.adversarial.r1 are for each image by itself (Gulrajani et al. 2017, section 4): set "
                    "model.discriminator.norm=instance"
                )
            initialize(self.discriminator, **init)
        elif self.feature_matching.weight > 0:
            raise UserError(
                "model.feature_matching.weight is above 0, but model.adversarial.weight is 0, and without a "
                "discriminator there are no features to match: set one of them otherwise"
            )
        self.to(memory_format=torch.channels_last)  # as batches are, and what convolutions are fastest with
        if sync_batch_norm:
            synchronise_statistics(self)
        freeze_parameters(self, freeze or [])
        for name in NETWORKS:
            network = getattr(self, name)
            if network is not None and not any(parameter.requires_grad for parameter in network.parameters()):
                raise UserError(f"model.freeze={freeze} leaves nothing of the {name} to learn; expected fewer patterns")
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False).eval() if ema_decay else None
        self.diff_augment = DiffAugment(diff_augment or [])
        self.pool = ImagePool(pool_size)
        self.val_metrics = PairedMetrics()
        self._is_logged = False
        self._is_compiled = False
        self._own_statistics: dict[str, Tensor] = {}  # of this process, in the checkpoint that it goes on from

    @property
    def inference_generator(self) -> nn.Module:
        """The generator that paints outside of training: the moving average, if there is one."""
        return self.generator if self.generator_ema is None else self.generator_ema

    def forward(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) float images in [-1, 1] into (N, C', H, W) float images in [-1, 1]."""
        return self.inference_generator(images)

    def train(self, mode: bool = True) -> "Pix2Pix":
        """As every module's, but the moving average stays in inference mode."""
        super().train(mode)
        if self.generator_ema is not None:
            self.generator_ema.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One batch: draw a fake, move the discriminator, move the generator.

        Returns:
            The terms of the losses by name: detached scalars, not yet weighted.
        """
        with explain_out_of_memory(batch):
            if self.compile_mode is not None:
                torch.compiler.cudagraph_mark_step_begin()
            self._set_learning_rates()
            step = self.trainer.global_step
            interval: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
            # What loggers will not be given is not stored: that would cost a GPU a dozen launches a batch.
            self._is_logged = interval > 0 and ((step + 1) % interval == 0 or step + 1 == self.trainer.max_steps)
            moves_generator = (step + 1) % self.discriminator_steps == 0
            parts = divide(
                self.input_type.to_network(batch["input"]),
                self.target_type.to_network(batch["target"]),
                self.micro_batches,
            )
            terms: dict[str, Tensor] = {}
            if self.discriminator is not None:
                for part in parts:
                    self._draw(part, with_graph=moves_generator and len(parts) == 1)
                terms |= self._move("discriminator", self._judge_all, parts, counts=not moves_generator)
            if moves_generator:
                terms |= self._move("generator", self._paint, parts, counts=True)
                if self.generator_ema is not None:
                    updates = step // self.discriminator_steps
                    update_moving_average(self.generator_ema, self.generator, self.ema_decay, updates)
        if self._is_logged:
            self.log_dict({f"loss/{name}": value for name, value in terms.items()}, prog_bar=True)
            for name, optimizer in zip(NETWORKS, self.trainer.optimizers, strict=False):
                self.log(f"learning_rate/{name}", optimizer.param_groups[0]["lr"])
        return terms

    def _draw(self, part: MicroBatch, *, with_graph: bool) -> Tensor:
        """The generator's fake of a part, with what is needed to learn from it or without."""
        if part.seed is not None:
            torch.manual_seed(part.seed)
        if with_graph:
            part.fake = self.generator(part.input)
        else:
            with torch.no_grad(), frozen_running_statistics(self.generator):
                part.fake = self.generator(part.input)
        return part.fake

    def _judge(self, input: Tensor, image: Tensor, seed: int | None = None) -> list[DiscriminatorOutput]:
        """What the discriminator says of images; by equal seeds, they are augmented alike."""
        assert self.discriminator is not None
        if seed is not None:
            torch.manual_seed(seed)
        return self.discriminator(*self.diff_augment(input, image))

    def _judge_all(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss: tell fakes from targets."""
        assert part.fake is not None
        assert self.discriminator is not None
        input, fake = self.pool(part.input, part.fake.detach())
        fake = fake.to(part.target.dtype)
        # In one batch, which is faster, but each half with statistics of its own, as the reference has them.
        with statistics_of_parts(self.discriminator, 2):
            judged = self._judge(torch.cat([input, part.input]), torch.cat([fake, part.target]))
        judged_fake, judged_real = split_outputs(judged)
        terms = {"D_fake": self.adversarial.on_fake(judged_fake), "D_real": self.adversarial.on_real(judged_real)}
        loss = terms["D_fake"] + terms["D_real"]
        if self.adversarial.kind == "wgangp":
            own_fake = part.fake.detach()  # not the pool's, which belong to other inputs
            terms["D_penalty"] = self.adversarial.penalty(self.discriminator, part.input, part.target, own_fake)
            loss = loss + terms["D_penalty"]
        else:
            loss = loss / 2  # "slows down the rate at which D learns relative to G" (section 3.3)
        if self.adversarial.r1 > 0 and self.trainer.global_step % self.adversarial.r1_every == 0:
            terms["D_r1"] = self.adversarial.r1_penalty(self.discriminator, part.input, part.target)
            loss = loss + terms["D_r1"]
        return loss, terms

    def _paint(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's loss: deceive the discriminator, and come near the target."""
        if part.fake is None or not part.fake.requires_grad:
            self._draw(part, with_graph=True)
        fake = part.fake
        assert fake is not None
        terms: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        if self.discriminator is not None:
            seed = int(torch.randint(2**62, ())) if self.feature_matching.weight > 0 else None
            judged = self._judge(part.input, fake, seed)
            terms["G_adversarial"] = self.adversarial.for_generator(judged)
            weighted.append(self.adversarial.weight * terms["G_adversarial"])
            if self.feature_matching.weight > 0:
                with torch.no_grad(), frozen_running_statistics(self.discriminator):
                    real = self._judge(part.input, part.target, seed)
                terms["G_feature_matching"] = self.feature_matching(judged, real)
                weighted.append(self.feature_matching.weight * terms["G_feature_matching"])
        if self.reconstruction.weight > 0:
            terms["G_reconstruction"] = self.reconstruction(fake, part.target)
            weighted.append(self.reconstruction.weight * terms["G_reconstruction"])
        if self.perceptual is not None:
            terms["G_perceptual"] = self.perceptual(fake, part.target)
            weighted.append(self.perceptual.weight * terms["G_perceptual"])
        return torch.stack(weighted).sum(), terms

    def _move(
        self,
        name: str,
        loss_of: Callable[[MicroBatch], tuple[Tensor, dict[str, Tensor]]],
        parts: list[MicroBatch],
        *,
        counts: bool,
    ) -> dict[str, Tensor]:
        """One step of a network's optimizer down the gradient of the mean loss over parts and processes.

        Returns:
            The mean of each term over the parts, detached.
        """
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        optimizer = optimizers[NETWORKS.index(name)]
        if not counts:
            leave_out_of_step_count(self.trainer, optimizer)  # a batch counts once in global_step
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
        """Limit the norm of the gradient about to be followed, and log it, if ``gradient_clip`` says so."""
        name = NETWORKS[self.trainer.optimizers.index(optimizer)]
        limit = self.gradient_clip[name]
        if limit is None:
            return
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and any(group.get("fused") for group in optimizer.param_groups):
            scaler.unscale_(optimizer)  # a fused optimizer would do so by itself, but after the limit
        norm = nn.utils.clip_grad_norm_(_parameters(optimizer), limit)
        if self._is_logged:
            self.log(f"gradient_norm/{name}", norm)

    def on_train_start(self) -> None:
        """Give this process the running statistics that it had, and let DistributedDataParallel leave them alone.

        It replaces all processes' by the first one's, when it is made and at its first pass.
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
        """Log a batch under its number, also in a resumed run."""
        log_at_global_step(self.trainer)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Let a run that ``max_steps`` ends be validated, and its best model kept, before it stops."""
        if self.trainer.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def on_train_epoch_start(self) -> None:
        """Refuse an epoch in which nothing would be learnt."""
        if self.current_epoch >= self.schedule.epochs:
            raise UserError(self._beyond_schedule())

    def on_validation_epoch_start(self) -> None:
        """Bring BatchNorm's running statistics of all processes together.

        Lightning's DDP hardly ever synchronises buffers under manual optimization.
        """
        average_over_processes(list(running_statistics(self).values()))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch in ``val/l1`` and the other metrics."""
        with explain_out_of_memory(batch):
            input = self.input_type.to_network(batch["input"])
            target = self.target_type.to_network(batch["target"])
            self.val_metrics.update(self(input), target, input)
        for name, metric in self.val_metrics.named().items():
            self.log(f"val/{name}", metric, prog_bar=True, batch_size=len(input))

    def configure_model(self) -> None:
        """Compile the networks in place, so that names in checkpoints stay as they are."""
        if self.compile_mode is not None and not self._is_compiled:
            for network in (self.generator, self.generator_ema, self.discriminator):
                if network is not None:
                    network.compile(mode=self.compile_mode)
            self._is_compiled = True  # Lightning calls this again for every fit

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Generator first, then the discriminator if there is one."""
        optimizers = []
        for name in NETWORKS:
            network = getattr(self, name)
            if network is not None:
                spec = self.hparams[f"{name}_optimizer"]
                parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
                try:
                    optimizers.append(instantiate(spec, _partial_=True)(parameters))
                except (TypeError, ValueError, RuntimeError) as error:
                    raise UserError(f"model.{name}_optimizer is {spec}, which is refused: {error}") from error
        return optimizers

    def on_fit_start(self) -> None:
        """Refuse what cannot work before the first batch."""
        if not isinstance(self.trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            raise UserError(
                f"trainer.strategy is {type(self.trainer.strategy).__name__}; Pix2Pix averages gradients itself and "
                f"works on one device or with ddp: set trainer.strategy=auto"
            )
        if self.trainer.precision not in TRAINING_PRECISIONS:
            raise UserError(
                f"trainer.precision is {self.trainer.precision}; steps of a learning rate of 0.0002 are "
                f"mostly lost to rounding in weights of 16 bits: set trainer.precision=bf16-mixed, which keeps them in "
                f"32 bits (16-bit weights are for predict.py)"
            )
        epochs = self.trainer.max_epochs
        if epochs is not None and epochs > self.schedule.epochs:
            raise UserError(self._beyond_schedule())
        if epochs is not None and 0 <= epochs < self.schedule.epochs:
            rank_zero_info(
                f"The learning rate schedule is {self.schedule.constant_epochs} constant + "
                f"{self.schedule.decay_epochs} decaying epochs; trainer.max_epochs={epochs} stops before its end."
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note who wrote the file, of what data, and what differs between processes: pools, and running statistics.

        The weights in the file have the mean of the latter. The processes keep their own, so that a run does not
        depend on when it was saved.
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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say where the configuration differs from that of the checkpoint a run goes on from.

        Raises:
            UserError: if the networks are others than those whose weights it holds, and if what it holds is not finite
                or does not fit them.
        """
        stored = checkpoint.get("hyper_parameters", {})
        changes = _changes("model", dict(self.hparams), stored)
        shapes, stored_shapes = (
            {name: value.shape for name, value in state.items()}
            for state in (self.state_dict(), checkpoint["state_dict"])
        )
        if shapes != stored_shapes:
            raise UserError(
                "the checkpoint to go on from holds the weights of other networks; expected the overrides that its run "
                f"had: {'; '.join(changes)}. To start a new run from its weights, use warm_start instead of ckpt_path"
            )
        check_numbers(checkpoint["state_dict"], self.state_dict(), self.trainer.ckpt_path)
        count = sum(getattr(self, name) is not None for name in NETWORKS)
        if (found := len(checkpoint["optimizer_states"])) != count:
            raise UserError(
                f"{self.trainer.ckpt_path} has the states of {found} optimizers; expected {count}: "
                f"get an intact copy, or use warm_start instead of ckpt_path"
            )
        processes = checkpoint.get("processes", [])
        if len(processes) == self.trainer.world_size:
            own = processes[self.trainer.global_rank]
            self._own_statistics = own["running_statistics"]
            self._check_own(own)
            self.pool.load_state_dict(own["pool"])
        for change in changes:
            # All settings of an optimizer but its learning rate are part of its state.
            key = change.partition(" ")[0]
            is_state = "_optimizer." in key and not key.endswith(".lr")
            log.warning("%s: the run goes on with the %s value", change, "checkpoint's" if is_state else "new")

    def _check_own(self, own: dict[str, Any]) -> None:
        """See whether what this process kept in a checkpoint fits its networks."""
        known = {name: value.shape for name, value in running_statistics(self).items()}
        statistics = {name: value.shape for name, value in own["running_statistics"].items()}
        inputs, fakes = own["pool"]["inputs"], own["pool"]["fakes"]
        channels = self.input_type.network_channels, self.target_type.network_channels
        is_pool = len(inputs) == len(fakes) and all(
            tensor.dim() == 3 and len(tensor) == count and tensor.is_floating_point() and tensor.isfinite().all()
            for tensors, count in zip((inputs, fakes), channels, strict=True)
            for tensor in tensors
        )
        if statistics != known or not is_pool:
            raise UserError(
                f"{self.trainer.ckpt_path} keeps running statistics or older fakes that do not fit these networks; "
                f"expected an intact checkpoint of the same networks: get another copy"
            )
        check_numbers(own["running_statistics"], running_statistics(self), self.trainer.ckpt_path)

    def _beyond_schedule(self) -> str:
        return (
            f"trainer.max_epochs={self.trainer.max_epochs} is beyond the end of the learning rate schedule "
            f"({self.schedule.constant_epochs} constant + {self.schedule.decay_epochs} decaying epochs), where nothing "
            f"is learnt any more: raise model.schedule.constant_epochs or model.schedule.decay_epochs"
        )

    def _set_learning_rates(self) -> None:
        factor = self.schedule.factor(self.current_epoch, self.trainer.global_step)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * factor

    @contextmanager
    def _only(self, optimizer: LightningOptimizer) -> Iterator[None]:
        """Within: gradients for this optimizer's parameters alone, and none averaged by DistributedDataParallel.

        DistributedDataParallel expects every parameter in every backward pass, which two networks in turn never
        give it; ``_move`` averages instead, each network's gradients once.
        """
        strategy = self.trainer.strategy
        unsynced = strategy.block_backward_sync() if isinstance(strategy, DDPStrategy) else nullcontext()
        with unsynced, self.toggled_optimizer(optimizer):
            yield


def _changes(name: str, new: Any, old: Any) -> list[str]:
    """In words, every value of a nested dictionary that differs from an older one."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys = dict.fromkeys([*new, *old])
        return [change for key in keys for change in _changes(f"{name}.{key}", new.get(key), old.get(key))]
    return [] if new == old else [f"{name} is {new}, but was {old} in the checkpoint"]


def _parameters(optimizer: LightningOptimizer | torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(module, BATCH_NORMS) for module in network.modules())
