"""How good translated images are: one file a metric, found by itself. Importing this package does not import torch."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from pix2pix_lit.metrics.metric import ImageMetric

_NEED_TORCH = (
    "accumulators",
    "boundaries",
    "class_numbers",
    "confusion",
    "distributions",
    "features",
    "metric_set",
    "structural_similarity",
)
for _module in pkgutil.iter_modules(__path__):
    if _module.name not in _NEED_TORCH:
        importlib.import_module(f"{__name__}.{_module.name}")


def _named(kind: type[ImageMetric]) -> Iterator[type[ImageMetric]]:
    for metric in kind.__subclasses__():
        if "name" in vars(metric):
            yield metric
        yield from _named(metric)


METRICS = dict(sorted((metric.name, metric) for metric in _named(ImageMetric)))
"""All metrics by name; which of them a validation measures is chosen in ``configs/metrics``."""

OBJECTIVES = {f"val/{name}": metric.direction for name, metric in METRICS.items()}
"""What validation can log, with the direction in which it is better: ``min`` or ``max``."""


def logged(specs: Mapping[str, Any]) -> list[str]:
    """What validation logs with these specs of metrics by name, where None leaves one out."""
    return [f"val/{name}" for name, spec in specs.items() if spec is not None]


__all__ = ["METRICS", "OBJECTIVES", "ImageMetric", "logged"]
