"""How good translated images are: one file a metric, found by itself. Importing this package does not import torch."""

import importlib
import pkgutil

from pix2pix_lit.metrics.metric import ImageMetric

for _module in pkgutil.iter_modules(__path__):
    if _module.name != "paired":  # needs torch
        importlib.import_module(f"{__name__}.{_module.name}")

METRICS = {metric.name: metric for metric in ImageMetric.__subclasses__()}
"""All metrics by name."""

OBJECTIVES = {f"val/{name}": metric.direction for name, metric in METRICS.items()}
"""What validation logs, with the direction in which it is better: ``min`` or ``max``."""

__all__ = ["METRICS", "OBJECTIVES", "ImageMetric"]
