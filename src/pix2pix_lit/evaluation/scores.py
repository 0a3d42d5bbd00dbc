"""Scores of translations and baselines by the same code, with their protocol."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pix2pix_lit.evaluation.baselines import MODEL, Row
from pix2pix_lit.evaluation.judges import Judge
from pix2pix_lit.evaluation.translations import Translated, Translations
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.files.json import as_json
from pix2pix_lit.metrics import METRICS, ImageMetric
from pix2pix_lit.metrics.accumulators import MeanOverImages
from pix2pix_lit.metrics.confusion import (
    ConfusionMatrix,
    class_accuracy,
    class_iou,
    confusion_matrices,
    mean_iou,
    pixel_accuracy,
)
from pix2pix_lit.metrics.metric_set import MetricSet

_OF_JUDGES = {"pixel_accuracy": pixel_accuracy, "class_accuracy": class_accuracy, "iou": mean_iou}


@dataclass
class Scores:
    """Scores of several rows: the translations, the real images, baselines.

    Attributes:
        protocol: plain values that say how they were measured.
        images: names of the images, in order.
        scores: row -> metric -> number; NaN or infinite where it has no finite value.
        classes: row -> metric -> class -> intersection over union.
        values: row -> metric -> a number for each image; of metrics that are means over images, and of label metrics.
    """

    protocol: dict[str, Any] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    classes: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``scores.json``, ``scores.md`` and ``scores.csv``, which has a line for each row and image."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "protocol": self.protocol,
            "images": len(self.images),
            "scores": {row: _finite(scores) for row, scores in self.scores.items()},
            "classes": {
                row: {metric: _finite(classes) for metric, classes in of_row.items()}
                for row, of_row in self.classes.items()
            },
        }
        for name, text in (
            ("scores.json", as_json(content) + "\n"),
            ("scores.md", self.as_markdown() + "\n"),
            ("scores.csv", self._as_csv()),
        ):
            with atomic_write(folder / name) as temporary:
                temporary.write_text(text, "utf-8")

    def as_markdown(self) -> str:
        """The table of all rows, the number of images, and which direction is better."""
        metrics = list(dict.fromkeys(metric for scores in self.scores.values() for metric in scores))
        arrows = {"min": "lower is better", "max": "higher is better"}
        lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        for row, scores in self.scores.items():
            cells = [shown(scores[metric]) if metric in scores else "" for metric in metrics]
            lines.append(f"| {f'**{row}**' if row == MODEL else row} | " + " | ".join(cells) + " |")
        directions = [f"- {metric}: {arrows[METRICS[metric.rpartition('/')[2]].direction]}" for metric in metrics]
        return "\n".join([*lines, "", f"{len(self.images)} images.", "", *directions])

    def _as_csv(self) -> str:
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        metrics = list(dict.fromkeys(metric for values in self.values.values() for metric in values))
        writer.writerow(["row", "image", *metrics])
        for row, values in self.values.items():
            for number, image in enumerate(self.images):
                writer.writerow([row, image, *(_cell(values, metric, number) for metric in metrics)])
        return file.getvalue()


def shown(value: float) -> str:
    """A score for tables: four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def score(
    translations: Translations,
    rows: Mapping[str, Row],
    metrics: Sequence[ImageMetric],
    judges: Sequence[Judge],
    device: str,
    batches: Iterable[Translated],
) -> Scores:
    """Measure every row with every metric and every judge.

    Args:
        translations: what is scored, for its types.
        rows: what stands in for the translations, by name.
        metrics: of images and targets; those that are for such targets are used.
        judges: of photos that were generated from labels.
        device: that metrics are computed on.
        batches: of ``translations``, such as with a progress bar.

    Returns:
        The scores, without a protocol.
    """
    result = Scores()
    target_type = translations.target_type
    sets = {row: MetricSet(metrics, target_type).to(device) for row in rows}
    matrices = {(row, judge.name): torch.zeros(0) for row in rows for judge in judges}
    for batch in batches:
        result.images += batch.names
        target = target_type.to_network(batch.target.to(device))
        truths = {judge.name: judge.classes_in(batch.input) for judge in judges if batch.input is not None}
        for row, image_of in rows.items():
            images = image_of(batch)
            generated = target_type.to_network(images.to(device))
            values = result.values.setdefault(row, {})
            for name, metric in sets[row].named().items():
                metric.update(generated, target)
                if isinstance(metric, MeanOverImages | ConfusionMatrix):
                    values.setdefault(name, []).extend(metric.latest.tolist())
            for judge in judges:
                found = confusion_matrices(judge.classes_of(images), truths[judge.name], judge.classes.count).double()
                sums = matrices[row, judge.name]
                matrices[row, judge.name] = found.sum(0) + (sums if sums.numel() else 0)
                for name, of_matrix in _OF_JUDGES.items():
                    values.setdefault(f"{judge.name}/{name}", []).extend(of_matrix(matrix).item() for matrix in found)
    for row in rows:
        scores, classes = result.scores.setdefault(row, {}), result.classes.setdefault(row, {})
        for name, metric in sets[row].named().items():
            scores[name] = float(metric.compute())
            if isinstance(metric, ConfusionMatrix) and name == "iou":
                classes[name] = metric.of_classes()
        for judge in judges:
            matrix = matrices[row, judge.name]
            for name, of_matrix in _OF_JUDGES.items():
                scores[f"{judge.name}/{name}"] = of_matrix(matrix).item()
            classes[f"{judge.name}/iou"] = dict(zip(judge.classes.names, class_iou(matrix).tolist(), strict=True))
    return result


def hash_of(names: Sequence[str]) -> str:
    """SHA-256 of a list of images, which tells whether two scores are of the same ones."""
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _finite(scores: Mapping[str, float]) -> dict[str, float | str]:
    """JSON has no infinity and no NaN."""
    return {name: value if math.isfinite(value) else str(value) for name, value in scores.items()}


def _cell(values: Mapping[str, list[float]], metric: str, number: int) -> str:
    return f"{np.float64(values[metric][number]):.6g}" if metric in values else ""
