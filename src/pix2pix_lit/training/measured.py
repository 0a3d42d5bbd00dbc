"""Which metrics a training can measure, and which of them decides what its best checkpoint is."""

import logging

from omegaconf import DictConfig, OmegaConf

from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics.metric_set import available, built_metrics
from pix2pix_lit.runs.rank import is_first_rank

log = logging.getLogger(__name__)


def leave_out_unavailable(config: DictConfig, target: ImageType, size: Size) -> None:
    """Set metrics that cannot be measured to null, and the objective ``auto`` to the best one of the others.

    Args:
        config: of a training, with ``metrics`` and ``objective``; changed in place.
        target: type of the targets.
        size: of validation images.

    Raises:
        UserError: as ``built_metrics``; for an objective that cannot be measured, and for ``auto`` if no metric is made
            for choosing a model.
    """
    height, width = height_and_width(size, "data.crop_size")
    metrics = built_metrics(OmegaConf.to_container(config.metrics, resolve=True))  # type: ignore[arg-type]
    measured, left_out = available(metrics, target, height, width)
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
        best = max(measured, key=lambda metric: metric.objective_rank, default=None)
        if best is None or not best.objective_rank:
            raise UserError(
                f"objective is auto, but none of the metrics that are measured "
                f"({', '.join(metric.name for metric in measured) or 'none'}) is made for choosing a model; expected "
                f"objective=val/NAME, or more metrics"
            )
        config.objective = f"val/{best.name}"
