"""Pix2Pix: the LightningModule, trained with two optimizers under manual optimization."""

import copy
import inspect
from typing import Annotated, Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from pix2pix_lit.checks import ArgumentsOf, Word
from pix2pix_lit.data.dataset import Batch
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.losses import Need, Objective
from pix2pix_lit.memory import explain_out_of_memory
from pix2pix_lit.metrics.metric_set import MetricSet, built_metrics
from pix2pix_lit.networks import DiscriminatorOutput, split_outputs
from pix2pix_lit.networks.layers.init import initialize
from pix2pix_lit.networks.layers.norm import frozen_running_statistics, statistics_of_parts, synchronise_statistics
from pix2pix_lit.training import arguments
from pix2pix_lit.training.arguments import NETWORKS
from pix2pix_lit.training.checked_module import CheckedModule
from pix2pix_lit.training.diff_augment import DiffAugment
from pix2pix_lit.training.image_pool import ImagePool
from pix2pix_lit.training.micro_batch import MicroBatch, divide
from pix2pix_lit.training.schedule import LearningRateSchedule
from pix2pix_lit.training.weights import freeze as freeze_parameters
from pix2pix_lit.training.weights import update_moving_average

Spec = dict[str, Any]
"""Plain values, since they are stored in checkpoints: ``_target_`` names the class, the others are its arguments."""


class Pix2Pix(CheckedModule):
    """Conditional GAN for paired images (Isola et al. 2017, equation 4), trained as in the reference implementation.

    Every argument but ``metrics`` is a plain value from the ``model`` config group and a hyper-parameter of the
    checkpoint, which therefore describes itself. Whatever the paper does not have is off by default.

    Args:
        generator: spec of the network that translates; see ``configs/model/generator``.
        discriminator: spec of its opponent; not built if the adversarial weight is 0.
        generator_optimizer: spec of an optimizer without its parameters.
        discriminator_optimizer: the same for the discriminator.
        schedule: arguments of ``LearningRateSchedule``.
        init: arguments of ``networks.layers.init.initialize``.
        diff_augment: policies of ``DiffAugment``, applied to everything the discriminator sees except in gradient
            penalties.
        pool_size: fakes kept to be shown to the discriminator again; see ``ImagePool``.
        discriminator_steps: batches that the discriminator learns from per batch that the generator learns from (5 in
            Gulrajani et al. 2017, algorithm 1).
        ema_decay: of the moving average of the generator's weights that is used outside of training; 0 for none.
        gradient_clip: largest norm of the gradient of ``generator`` and ``discriminator``; None for no limit.
        micro_batches: parts that a batch is processed in, to save memory; gradients add up to those of the full batch
            (BatchNorm normalises each part separately).
        sync_batch_norm: whether BatchNorm takes its statistics over all processes.
        compile: mode of ``torch.compile`` for both networks; None does not compile them.
        freeze: patterns of names of parameters that are not trained, such as ``generator.encoder.*``.
        input: arguments of ``ImageType``: the images to translate.
        target: the same for the images to generate.
        metrics: specs of ``metrics.ImageMetric`` by name, or None instead of one; None for
            ``metrics.metric_set.STANDARD``.
            Not a hyper-parameter, since training does not depend on them.
        losses: specs of ``losses.Loss`` by name: the terms of both objectives.

    Raises:
        UserError: for a value outside of what is described above.
    """

    def __init__(
        self,
        generator: Spec,
        discriminator: Spec,
        generator_optimizer: Spec,
        discriminator_optimizer: Spec,
        schedule: Annotated[Spec, ArgumentsOf(LearningRateSchedule)],
        init: Annotated[Spec, ArgumentsOf(initialize)],
        diff_augment: list[str] | None = None,
        pool_size: int = 0,
        discriminator_steps: int = 1,
        ema_decay: float = 0.0,
        gradient_clip: dict[str, float | None] | None = None,
        micro_batches: int = 1,
        sync_batch_norm: bool = False,
        compile: Word | None = None,
        freeze: list[str] | None = None,
        input: Spec | None = None,
        target: Spec | None = None,
        metrics: dict[str, Spec | None] | None = None,
        **losses: Spec,
    ) -> None:
        super().__init__()
        input, target = input or RGB.as_dict(), target or RGB.as_dict()
        # Not logged: the tensorboard callback logs them with their final metrics. For the frame see PairsDataModule.
        self.save_hyperparameters(frame=inspect.currentframe(), ignore="metrics", logger=False)
        self.automatic_optimization = False
        self.gradient_clip = dict.fromkeys(NETWORKS) | (gradient_clip or {})
        arguments.check_arguments(discriminator_steps, micro_batches, ema_decay, compile, self.gradient_clip)
        self.input_type, self.target_type = ImageType(**input), ImageType(**target)
        self.schedule = LearningRateSchedule(**schedule)
        self.micro_batches = micro_batches
        self.ema_decay = ema_decay
        self.compile_mode = compile

        built = arguments.built_losses(losses)
        self.losses = nn.ModuleDict(built)  # moved to the device with the module; without a part in checkpoints
        terms = [term for name, loss in built.items() for term in loss.terms(name)]
        self.generator_objective = Objective(term for term in terms if term.network == "generator")
        self.discriminator_objective = Objective(term for term in terms if term.network == "discriminator")
        in_channels, out_channels = self.input_type.network_channels, self.target_type.network_channels
        arguments.check_objectives(self.generator_objective, self.discriminator_objective, self.target_type)

        self.generator: nn.Module = instantiate(generator, in_channels=in_channels, out_channels=out_channels)
        initialize(self.generator, **init)
        self.discriminator: nn.Module | None = None
        if self.discriminator_objective.terms:
            self.discriminator = instantiate(discriminator, in_channels=in_channels, target_channels=out_channels)
            arguments.check_penalties(self.discriminator, self.discriminator_objective)
            initialize(self.discriminator, **init)
        self.discriminator_steps = 1 if self.discriminator is None else discriminator_steps
        self.to(memory_format=torch.channels_last)  # as batches are; convolutions are fastest with it
        if sync_batch_norm:
            synchronise_statistics(self)
        freeze_parameters(self, freeze or [])
        arguments.check_trainable(self.networks().items(), freeze or [])
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False).eval() if ema_decay else None
        self.diff_augment = DiffAugment(diff_augment or [])
        self.pool = ImagePool(pool_size)
        self.val_metrics = MetricSet(None if metrics is None else built_metrics(metrics), self.target_type)
        self._is_compiled = False

    @property
    def inference_generator(self) -> nn.Module:
        """The generator used outside of training: the moving average, if there is one."""
        return self.generator if self.generator_ema is None else self.generator_ema

    def forward(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) float images in [-1, 1] into (N, C', H, W) float images in [-1, 1]."""
        return self.inference_generator(images)

    def train(self, mode: bool = True) -> "Pix2Pix":
        """Set the mode of all modules except the moving average, which stays in eval mode."""
        super().train(mode)
        if self.generator_ema is not None:
            self.generator_ema.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One batch: generate fakes, step the discriminator, step the generator, log.

        Returns:
            The terms of the losses by name: detached scalars, not weighted.
        """
        with explain_out_of_memory(batch):
            if self.compile_mode is not None:
                torch.compiler.cudagraph_mark_step_begin()
            self.set_learning_rates()
            step = self.trainer.global_step
            interval: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
            # Terms that no logger will be given are not stored: on a GPU that costs a dozen launches per batch.
            self.is_logged = interval > 0 and ((step + 1) % interval == 0 or step + 1 == self.trainer.max_steps)
            trains_generator = (step + 1) % self.discriminator_steps == 0
            parts = divide(
                self.input_type.to_network(batch["input"]),
                self.target_type.to_network(batch["target"]),
                self.micro_batches,
            )
            terms: dict[str, Tensor] = {}
            if self.discriminator is not None:
                for part in parts:
                    self.generate_fake(part, with_graph=trains_generator and len(parts) == 1)
                terms |= self.step_network("discriminator", self.discriminator_loss, parts, counts=not trains_generator)
            if trains_generator:
                terms |= self.step_network("generator", self.generator_loss, parts, counts=True)
                if self.generator_ema is not None:
                    updates = step // self.discriminator_steps
                    update_moving_average(self.generator_ema, self.generator, self.ema_decay, updates)
        if self.is_logged:
            self.log_dict({f"loss/{name}": value for name, value in terms.items()}, prog_bar=True)
            for name, optimizer in zip(NETWORKS, self.trainer.optimizers, strict=False):
                self.log(f"learning_rate/{name}", optimizer.param_groups[0]["lr"])
        return terms

    def generate_fake(self, part: MicroBatch, *, with_graph: bool) -> Tensor:
        """Translate a part's input, for the generator to learn from or, without a graph, for the discriminator."""
        if part.seed is not None:
            torch.manual_seed(part.seed)
        if with_graph:
            part.fake = self.generator(part.input)
        else:
            with torch.no_grad(), frozen_running_statistics(self.generator):
                part.fake = self.generator(part.input)
        return part.fake

    def discriminate(
        self, input: Tensor, image: Tensor, seed: int | None = None
    ) -> tuple[list[DiscriminatorOutput], Tensor]:
        """The discriminator's outputs for augmented images, and the augmented input; equal seeds augment alike."""
        assert self.discriminator is not None
        if seed is not None:
            torch.manual_seed(seed)
        input, image = self.diff_augment(input, image)
        return self.discriminator(input, image), input

    def discriminator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the discriminator's terms, and the terms."""
        assert self.discriminator is not None
        assert part.fake is not None
        own_fake = part.fake.detach()
        pool_input, pool_fake = self.pool(part.input, own_fake)
        # One batch is faster than two; as in the reference, fakes and targets are normalised separately.
        inputs = torch.cat([pool_input, part.input])
        with statistics_of_parts(self.discriminator, 2):
            output, inputs = self.discriminate(inputs, torch.cat([pool_fake.to(part.target.dtype), part.target]))
        fake_output, target_output = split_outputs(output)
        fake_input, target_input = inputs.chunk(2)
        given: dict[Need, Any] = {"input": part.input, "target": part.target, "fake": own_fake}
        given |= {"fake_output": fake_output, "fake_input": fake_input}
        given |= {"target_output": target_output, "target_input": target_input, "discriminator": self.discriminator}
        return self.discriminator_objective(given, self.global_step)

    def generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the generator's terms, and the terms."""
        if part.fake is None or not part.fake.requires_grad:
            self.generate_fake(part, with_graph=True)
        fake = part.fake
        assert fake is not None
        given: dict[Need, Any] = {"input": part.input, "target": part.target, "fake": fake}
        given["void"] = self.target_type.void
        if self.discriminator is not None:
            compares = self.generator_objective.needs("target_output")
            seed = int(torch.randint(2**62, ())) if compares else None
            given["fake_output"], given["fake_input"] = self.discriminate(part.input, fake, seed)
            if compares:
                with torch.no_grad(), frozen_running_statistics(self.discriminator):
                    given["target_output"], given["target_input"] = self.discriminate(part.input, part.target, seed)
        return self.generator_objective(given, self.global_step)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to ``val/l1`` and the other metrics."""
        with explain_out_of_memory(batch):
            input = self.input_type.to_network(batch["input"])
            target = self.target_type.to_network(batch["target"])
            self.val_metrics.update(self(input), target)
        for name, metric in self.val_metrics.named().items():
            self.log(f"val/{name}", metric, prog_bar=True, batch_size=len(input))

    def configure_model(self) -> None:
        """Compile the networks in place, which leaves the names in checkpoints as they are."""
        if self.compile_mode is not None and not self._is_compiled:
            for network in (self.generator, self.generator_ema, self.discriminator):
                if network is not None:
                    network.compile(mode=self.compile_mode)
            self._is_compiled = True  # Lightning calls this again for every fit
