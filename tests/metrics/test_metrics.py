"""A metric is a file: its name and direction are read from its class, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from pix2pix_lit import metrics
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.metrics import METRICS, OBJECTIVES, logged
from pix2pix_lit.metrics.metric_set import STANDARD, score
from pix2pix_lit.runs.configs import CONFIG_DIR


def test_every_file_is_a_metric_that_says_its_name_and_direction():
    files = {path.stem for path in Path(metrics.__file__).parent.glob("*.py")}
    files -= {"__init__", "metric", "metric_set", "accumulators", "class_numbers", "confusion", "structural_similarity"}
    assert set(METRICS) == files
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.direction in ("min", "max")


def test_objectives_are_the_logged_metrics_with_their_directions():
    assert {f"val/{name}": metric.direction for name, metric in METRICS.items()} == OBJECTIVES
    assert {OBJECTIVES[f"val/{name}"] for name in ("psnr", "ssim", "iou")} == {"max"}


def test_the_default_config_has_the_standard_metrics_under_their_names():
    specs = OmegaConf.load(Path(CONFIG_DIR, "metrics", "default.yaml"))
    assert tuple(specs) == STANDARD
    assert all(type(instantiate(spec)) is METRICS[name] for name, spec in specs.items())


def test_a_metric_that_is_null_is_not_logged():
    assert logged({"l1": {"_target_": "pix2pix_lit.metrics.l1.L1"}, "ssim": None}) == ["val/l1"]


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name]().is_of_kind(RGB)])
def test_the_direction_is_that_in_which_a_better_image_moves_the_metric(name):
    metric = METRICS[name]()
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    near, far = (score(metric, (images + off).clamp(0, 1), images) for off in (0.05, 0.5))
    assert (near < far) == (metric.direction == "min")
    assert metric.worst([near, far, near]) == far


def test_names_and_directions_are_read_without_torch():
    code = "import sys; import pix2pix_lit.metrics; print({'torch', 'torchmetrics', 'lightning'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
