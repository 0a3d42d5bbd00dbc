"""boundary_f against counting by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.metrics import METRICS
from pix2pix_lit.metrics.boundaries import boundary_f


def square(start: int, size: int = 12, side: int = 4) -> np.ndarray:
    labels = np.zeros((size, size), int)
    labels[start : start + side, start : start + side] = 1
    return labels


def boundary(labels: np.ndarray, number: int) -> list[tuple[int, int]]:
    height, width = labels.shape
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if labels[y, x] == number
        and any(
            0 <= v < height and 0 <= u < width and labels[v, u] != number
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        )
    ]


def by_hand(fake: np.ndarray, real: np.ndarray, distance: float) -> float:
    scores = []
    for number in np.unique(real):
        ours, theirs = boundary(fake, number), boundary(real, number)
        precision = np.mean([min(math.dist(p, q) for q in theirs) <= distance for p in ours])
        recall = np.mean([min(math.dist(p, q) for q in ours) <= distance for p in theirs])
        scores.append(0 if precision + recall == 0 else 2 * precision * recall / (precision + recall))
    return float(np.mean(scores))


@pytest.mark.parametrize("distance", [0.0, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("start", [4, 5, 7])
def test_it_equals_counting_by_hand(start, distance):
    fake, real = square(start), square(4)
    tolerance = distance / math.hypot(12, 12) * (1 + 1e-9)
    assert boundary_f(fake, real, 9, tolerance) == pytest.approx(by_hand(fake, real, distance))


def test_a_known_value():
    # 12 pixels each; a shift by one along both axes leaves 2 of them where the other boundary is.
    fake, real = square(5), square(4)
    inner = by_hand(fake, real, 0)
    assert len(boundary(real, 1)) == 12
    assert boundary_f(fake, real, 9, 0) == pytest.approx(inner)
    assert boundary_f(real, real, 9, 0) == 1.0


def test_classes_are_those_of_the_labels_and_void_makes_no_boundary():
    real = square(4)
    assert boundary_f(np.where(real == 1, 2, 0), real, 9, 0.0075) == pytest.approx(0.5)  # class 1 is missing
    void = np.where(np.arange(12) < 6, real, 9)
    assert math.isnan(boundary_f(np.zeros((12, 12), int), np.full((12, 12), 9), 9, 0.0075))
    assert boundary_f(void, void, 9, 0.0075) == 1.0
    flat = np.where(np.arange(12) < 6, 0, 9) * np.ones((12, 1), int)
    assert boundary_f(np.zeros((12, 12), int), flat, 9, 0.0075) == 1.0  # no boundary in both
    assert boundary_f(square(1), flat, 9, 0.0075) == 0.0  # one that is not real


def test_it_is_the_mean_over_images_that_have_labels():
    target = ImageType(kind="ids", channels=1, classes=3, void=2)
    reals = np.stack([square(4), square(4), np.full((12, 12), 2)])
    fakes = np.stack([square(4), square(7), square(4)])
    one_hot = [F.one_hot(torch.from_numpy(labels), 3).movedim(-1, 1).float() * 2 - 1 for labels in (fakes, reals)]
    metric = METRICS["boundary_f"]().create(target)
    metric.update(*one_hot)
    expected = np.mean([boundary_f(*pair, 2, 0.0075) for pair in zip(fakes[:2], reals[:2], strict=True)])
    assert metric.compute().item() == pytest.approx(expected)
    assert metric.values(*one_hot).isnan().tolist() == [False, False, True]
