"""Checks of the model's arguments and of its trainer, before the first batch."""

from collections.abc import Iterable, Mapping
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn

from pix2pix_lit.checks import check_choice, check_integer
from pix2pix_lit.distributed import BATCH_NORMS
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.losses import Loss, Objective

NETWORKS = ("generator", "discriminator")
"""In the order of their optimizers."""

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")

TRAINING_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")


def check_arguments(
    discriminator_steps: int,
    micro_batches: int,
    ema_decay: float,
    compile: str | None,
    gradient_clip: dict[str, float | None],
) -> None:
    """Refuse values that ``Pix2Pix`` cannot train with.

    Raises:
        UserError: naming the key, its value and what was expected.
    """
    for name, count in (("discriminator_steps", discriminator_steps), ("micro_batches", micro_batches)):
        check_integer(f"model.{name}", count, 1)
    if not isinstance(ema_decay, int | float) or not 0 <= ema_decay < 1:
        raise UserError(f"model.ema_decay is {ema_decay!r}; expected 0 (none) or a number below 1, such as 0.999")
    check_choice("model.compile", compile, (None, *COMPILE_MODES))
    for name, limit in gradient_clip.items():
        if name not in NETWORKS or (limit is not None and not limit > 0):
            raise UserError(
                f"model.gradient_clip.{name} is {limit}; expected null or a number above 0 for generator or "
                f"discriminator"
            )


def built_losses(specs: Mapping[str, Any]) -> dict[str, Loss]:
    """The losses of these specs, by name.

    Raises:
        UserError: for a value that is not a spec of a loss.
    """
    losses: dict[str, Loss] = {}
    for name, spec in specs.items():
        loss = instantiate(spec) if isinstance(spec, Mapping) and "_target_" in spec else None
        if not isinstance(loss, Loss):
            raise UserError(
                f"model.{name} is {spec!r}, which is neither an argument of the model nor a loss; expected _target_, a "
                f"subclass of pix2pix_lit.losses.Loss, and its arguments"
            )
        losses[name] = loss
    return losses


def check_objectives(generator: Objective, discriminator: Objective, target: ImageType) -> None:
    """Refuse objectives without anything for the generator to learn, or without the discriminator that they need.

    Raises:
        UserError: naming the weights to change.
    """
    if not generator.terms:
        raise UserError(
            "the weights of all losses of the generator are 0 (model.adversarial.weight, model.reconstruction.weight, "
            "...), so there is nothing to learn; expected at least one above 0"
        )
    if not discriminator.needs("fake_output", "target_output"):
        for term in generator.terms + discriminator.terms:
            if {"fake_output", "target_output", "discriminator"} & set(term.needs):
                raise UserError(
                    f"the weight of the loss {term.name} is {term.weight}, but model.adversarial.weight is 0, so there "
                    f"is no discriminator, which this loss needs: set model.adversarial.weight above 0, or the weight "
                    f"of this loss to 0"
                )
    for term in generator.terms:
        channels = getattr(term.loss, "channels", None)
        if getattr(term.loss, "classes_only", False) and target.classes is None:
            raise UserError(
                f"the weight of the loss {term.name} is {term.weight}, but targets are {target.describe()}; it takes "
                f"class numbers: set its weight to 0, or choose pixels=ids for the target"
            )
        if channels is not None and target.network_channels not in channels:
            raise UserError(
                f"the weight of the loss {term.name} is {term.weight}, but targets have "
                f"{target.network_channels} channels; it takes {' or '.join(map(str, channels))}: set its weight to 0"
            )


def check_penalties(discriminator: nn.Module, objective: Objective) -> None:
    """Refuse BatchNorm where the gradient at each image is penalised.

    Raises:
        UserError: naming the key to change.
    """
    has_batch_norm = any(isinstance(module, BATCH_NORMS) for module in discriminator.modules())
    if has_batch_norm and objective.needs("discriminator"):
        raise UserError(
            "model.discriminator.norm is batch, but the gradient penalties (model/adversarial=wgangp and model.r1) "
            "need the gradient at each image independent of the others (Gulrajani et al. 2017, section 4): set "
            "model.discriminator.norm=instance"
        )


def check_trainable(networks: Iterable[tuple[str, nn.Module]], freeze: list[str]) -> None:
    """Refuse to freeze all of a network.

    Raises:
        UserError: naming the network.
    """
    for name, network in networks:
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise UserError(f"model.freeze={freeze} leaves nothing of the {name} to learn; expected fewer patterns")


def check_trainer(trainer: L.Trainer) -> None:
    """Refuse strategies and precisions that the model cannot be trained with.

    Raises:
        UserError: naming the key and its replacement.
    """
    if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
        raise UserError(
            f"trainer.strategy is {type(trainer.strategy).__name__}; Pix2Pix averages gradients itself and works on "
            f"one device or with ddp: set trainer.strategy=auto"
        )
    if trainer.precision not in TRAINING_PRECISIONS:
        raise UserError(
            f"trainer.precision is {trainer.precision}; in 16-bit weights, rounding loses most updates at a learning "
            f"rate of 0.0002: set trainer.precision=bf16-mixed, which keeps weights in 32 bits (16-bit weights are for "
            f"predict)"
        )
