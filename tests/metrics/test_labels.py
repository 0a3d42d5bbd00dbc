"""pixel_accuracy, class_accuracy and iou against counting by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.palettes import CLASS_NAMES, PALETTE_NAMES, PALETTES
from pix2pix_lit.metrics import METRICS
from pix2pix_lit.metrics.class_numbers import ScoredClasses
from pix2pix_lit.metrics.confusion import ConfusionMatrix
from pix2pix_lit.metrics.metric_set import MetricSet

LABELS = ("pixel_accuracy", "class_accuracy", "iou")
CITYSCAPES = ImageType(kind="colors", palette="cityscapes_all")


def ids(classes: int, void: int | None = None) -> ImageType:
    return ImageType(kind="ids", channels=1, classes=classes, void=void)


def one_hot(classes: np.ndarray, count: int) -> torch.Tensor:
    return F.one_hot(torch.from_numpy(classes), count).movedim(-1, 1).float() * 2 - 1


def random_classes(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, (3, 8, 9))


def by_hand(fake: np.ndarray, real: np.ndarray, scored: list[int]) -> dict[str, float]:
    """Long et al. 2015, section 5, class by class; classes that do not occur are left out."""
    counts = np.isin(real, scored)
    accuracies, unions = [], []
    for number in scored:
        is_real, is_fake = (real == number) & counts, (fake == number) & counts
        if is_real.any():
            accuracies.append((is_real & is_fake).sum() / is_real.sum())
        if is_real.any() or is_fake.any():
            unions.append((is_real & is_fake).sum() / (is_real | is_fake).sum())
    return {
        "pixel_accuracy": (fake == real)[counts].mean(),
        "class_accuracy": np.mean(accuracies),
        "iou": np.mean(unions),
    }


def computed(metrics: MetricSet) -> dict[str, float]:
    return {name: metric.compute().item() for name, metric in metrics.named().items()}


def label_metrics(target: ImageType) -> MetricSet:
    return MetricSet([METRICS[name]() for name in LABELS], target)


@pytest.mark.parametrize("void", [None, 0, 2, 4])
def test_scores_are_of_all_pixels_together_and_void_ones_do_not_count(void):
    scored = [number for number in range(5) if number != void]
    fake, real = np.random.default_rng(2).choice(scored, (3, 8, 9)), random_classes(5, 1)
    metrics = label_metrics(ids(5, void))
    for start, stop in ((0, 2), (2, 3)):  # in any batches
        metrics.update(one_hot(fake[start:stop], 5), one_hot(real[start:stop], 5))
    assert computed(metrics) == pytest.approx(by_hand(fake, real, scored))


def test_each_image_has_a_score_of_its_own():
    fake, real = random_classes(4, 0), random_classes(4, 1)
    for name in LABELS:
        values = METRICS[name]().create(ids(4)).values(one_hot(fake, 4), one_hot(real, 4))
        expected = [by_hand(*pair, [0, 1, 2, 3])[name] for pair in zip(fake, real, strict=True)]
        assert values.tolist() == pytest.approx(expected)


def test_a_generated_pixel_is_never_void():
    scores = torch.zeros(1, 3, 1, 1)
    scores[0, :, 0, 0] = torch.tensor([0.1, 0.2, 0.9])
    assert ScoredClasses(ids(3, void=2)).of_fake(scores).item() == 1
    assert ScoredClasses(ids(3, void=0)).of_fake(scores).item() == 1  # class 2 without class 0
    assert ScoredClasses(ids(3)).of_fake(scores).item() == 2


def test_classes_that_do_not_occur_are_left_out():
    real = np.array([[[0, 0, 1, 1]]])
    fake = np.array([[[0, 1, 1, 1]]])
    metrics = label_metrics(ids(9))
    metrics.update(one_hot(fake, 9), one_hot(real, 9))
    assert computed(metrics) == pytest.approx(
        {"pixel_accuracy": 0.75, "class_accuracy": 0.75, "iou": (1 / 2 + 2 / 3) / 2}
    )


def test_colours_count_as_the_nearest_class_void_ones_of_labels_not_at_all():
    palette = PALETTES["cityscapes_all"].astype(int)
    road, car, caravan = (palette[PALETTE_NAMES["cityscapes_all"].index(name)] for name in ("road", "car", "caravan"))
    real = np.array([road, road, car, caravan])
    fake = np.array([road + 3, car, car - [0, 0, 5], road])
    as_floats = [torch.from_numpy(colors.T.reshape(1, 3, 1, 4) / 127.5 - 1).float() for colors in (fake, real)]
    classes = ScoredClasses(CITYSCAPES)
    assert classes.count == 19
    assert classes.names == CLASS_NAMES
    assert classes.of_real(as_floats[1]).flatten().tolist() == [0, 0, 13, 19]
    assert classes.of_fake(as_floats[0]).flatten().tolist() == [0, 13, 13, 0]
    metrics = label_metrics(CITYSCAPES)
    metrics.update(*as_floats)
    assert computed(metrics) == pytest.approx({"pixel_accuracy": 2 / 3, "class_accuracy": 0.75, "iou": 0.5})


def test_a_generated_colour_counts_as_the_nearest_class_that_is_scored():
    caravan = torch.from_numpy(
        PALETTES["cityscapes_all"][PALETTE_NAMES["cityscapes_all"].index("caravan")] / 127.5 - 1
    ).float()
    found = ScoredClasses(CITYSCAPES).of_fake(caravan.view(1, 3, 1, 1)).item()
    assert CLASS_NAMES[found] == "truck"  # (0, 0, 70) is nearest to (0, 0, 90)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (ids(3), ("class 0", "class 1", "class 2")),
        (ids(20, void=19), tuple(f"class {number}" for number in range(19))),
        (ImageType(kind="ids", channels=1, classes=20, values="cityscapes_colors", void=19), CLASS_NAMES),
        (ImageType(kind="ids", channels=1, classes=20, palette="cityscapes", void=19), CLASS_NAMES),
        (ImageType(kind="colors", palette=((0, 0, 0), (9, 9, 9))), ("class 0", "class 1")),
    ],
)
def test_classes_have_their_names_where_they_are_known(target, names):
    assert ScoredClasses(target).names == names


def test_every_class_has_its_own_iou():
    real, fake = np.array([[[0, 0, 1, 1]]]), np.array([[[0, 1, 1, 1]]])
    metric = METRICS["iou"]().create(ids(3))
    assert isinstance(metric, ConfusionMatrix)
    metric.update(one_hot(fake, 3), one_hot(real, 3))
    found = metric.of_classes()
    assert [found["class 0"], found["class 1"]] == pytest.approx([1 / 2, 2 / 3])
    assert np.isnan(found["class 2"])
