"""Which metrics a training can measure, and which of them decides what its best checkpoint is."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.distributed import gathered
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics import logged
from pix2pix_lit.metrics.metric_set import available, built_metrics
from pix2pix_lit.runs.rank import is_first_rank

log = logging.getLogger(__name__)


def leave_out_unavailable(
    config: DictConfig, target: ImageType, size: Size, count: int | None = None, former: str | None = None
) -> None:
    """Set metrics that cannot be measured to null, and the objective ``auto`` to the best one of the others.

    Args:
        config: of a training, with ``metrics`` and ``objective``; changed in place.
        target: type of the targets.
        size: of validation images.
        count: number of validation images, where it is known; with 0, as if there were any number.
        former: the objective of the run that is resumed: ``auto`` keeps it while it is measured, whatever has become
            available since, so that its best checkpoint stays the best by one metric.

    Raises:
        UserError: as ``built_metrics``; for an objective that cannot be measured, and for ``auto`` if no metric is made
            for choosing a model.
    """
    height, width = height_and_width(size, "data.crop_size")
    metrics = built_metrics(OmegaConf.to_container(config.metrics, resolve=True))  # type: ignore[arg-type]
    measured, left_out = available(metrics, target, height, width, count or None)
    for metric in metrics:
        reason = left_out.get(metric.name)
        if reason is None:
            continue
        if config.objective == f"val/{metric.name}":
            raise UserError(f"objective is {config.objective}, but {reason}; expected auto, or another metric")
        if is_first_rank() and metric.is_of_kind(target):
            log.info("Not measured: %s", reason)
        config.metrics[metric.name] = None
    if config.objective == "auto":
        if former in logged({metric.name: metric for metric in measured}):
            config.objective = former
            return
        best = max(measured, key=lambda metric: metric.objective_rank, default=None)
        if best is None or not best.objective_rank:
            raise UserError(
                f"objective is auto, but none of the metrics that are measured "
                f"({', '.join(metric.name for metric in measured) or 'none'}) is made for choosing a model; expected "
                f"objective=val/NAME, or more metrics"
            )
        config.objective = f"val/{best.name}"
        if former is not None and is_first_rank():
            log.warning("The objective was %s, which is not measured now: best.ckpt starts over", former)


def former_objective(checkpoint: Mapping[str, Any]) -> str | None:
    """The metric that decided what the best checkpoint was in the training that a checkpoint is from, if one did."""
    for key, state in checkpoint.get("callbacks", {}).items():
        if key.startswith("BestCheckpoint"):
            return state.get("monitor")
    return None


def check_same_on_all_processes(metrics: Iterable[str]) -> None:
    """Check that all processes measure the same.

    Raises:
        UserError: if not, since they would wait for each other forever.
    """
    by_rank = [set(names) for names in gathered(sorted(metrics))]
    some = set.union(*by_rank) - set.intersection(*by_rank)
    if some:
        rank = next(rank for rank, names in enumerate(by_rank) if some - names)
        raise UserError(
            f"{', '.join(sorted(some))}: measured by some processes, but not by rank {rank}; expected the same "
            f"packages and weights on every machine: copy them there, or leave out the metric with metrics.NAME=null"
        )
