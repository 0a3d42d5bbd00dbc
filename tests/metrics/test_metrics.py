"""A metric is a file: its name and direction are read from its class, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from pix2pix_lit import metrics
from pix2pix_lit.metrics import METRICS, OBJECTIVES, logged
from pix2pix_lit.metrics.metric_set import STANDARD, score
from pix2pix_lit.runs.configs import CONFIG_DIR


def test_every_file_is_a_metric_that_says_its_name_and_direction():
    files = {path.stem for path in Path(metrics.__file__).parent.glob("*.py")}
    files -= {"__init__", "metric", "metric_set", "accumulators", "class_numbers", "confusion", "structural_similarity"}
    files -= {"boundaries", "distributions", "features"}
    assert set(METRICS) == files
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.direction in ("min", "max")


def test_objectives_are_the_logged_metrics_with_their_directions():
    assert {f"val/{name}": metric.direction for name, metric in METRICS.items()} == OBJECTIVES
    assert {OBJECTIVES[f"val/{name}"] for name in ("psnr", "ssim", "iou")} == {"max"}


def test_the_configs_have_the_metrics_under_their_names():
    default, more = (OmegaConf.load(Path(CONFIG_DIR, "metrics", f"{name}.yaml")) for name in ("default", "all"))
    assert set(default) > set(STANDARD)
    assert more.pop("defaults") == ["default"]
    specs = OmegaConf.merge(default, more)
    assert set(specs) == set(METRICS)
    assert all(type(instantiate(spec)) is METRICS[name] for name, spec in specs.items())


def test_the_best_objective_of_labels_is_iou_and_of_images_a_perceptual_metric():
    ranked = {metric.objective_rank: name for name, metric in METRICS.items() if metric.objective_rank}
    assert ranked == {4: "iou", 3: "lpips", 2: "kid_efflite0", 1: "ssim"}


def test_a_metric_that_is_null_is_not_logged():
    assert logged({"l1": {"_target_": "pix2pix_lit.metrics.l1.L1"}, "ssim": None}) == ["val/l1"]


@pytest.mark.parametrize("name", ["l1", "psnr", "ssim", "ms_ssim"])
def test_the_direction_is_that_in_which_a_better_image_moves_the_metric(name):
    metric = METRICS[name]()
    side = max(16, metric.smallest_side)
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    near, far = (score(metric, (images + off).clamp(0, 1), images) for off in (0.05, 0.5))
    assert (near < far) == (metric.direction == "min")
    assert metric.worst([near, far, near]) == far


def test_names_and_directions_are_read_without_torch():
    code = "import sys; import pix2pix_lit.metrics; print({'torch', 'torchmetrics', 'lightning'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
