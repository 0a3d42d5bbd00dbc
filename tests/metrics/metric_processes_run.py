"""Measures images shared unequally between two processes, and all of them in one.

Run by test_metric_processes.py, as: python metric_processes_run.py FOLDER RANK
"""

import math
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.metrics import METRICS
from pix2pix_lit.metrics.accumulators import MeanOverImages
from pix2pix_lit.metrics.distributions import FrechetDistance, KernelDistance
from pix2pix_lit.metrics.features import DistanceOfColors

IDS = ImageType(kind="ids", channels=1, classes=4, void=3)
SPLITS = ((2, 0), (0, 2), (3, 1))
"""Numbers of images of the two processes."""


class MeanColors(nn.Module):
    """Stands for a network with features."""

    count = 3

    def forward(self, images):
        return images.mean((2, 3))


class MeanDifference(nn.Module):
    """Stands for a network that compares."""

    def forward(self, fake, real):
        return (fake - real).square().mean((1, 2, 3), keepdim=True)


BY_NETWORKS = {
    **dict.fromkeys(("lpips", "dists"), lambda: MeanOverImages(DistanceOfColors(MeanDifference()))),
    **dict.fromkeys(("kid", "kid_efflite0"), lambda: KernelDistance(MeanColors())),
    "fid": lambda: FrechetDistance(MeanColors()),
}
"""Accumulators of metrics that need weights, with networks that need none."""


def measured(name: str, start: int, stop: int) -> float:
    metric = METRICS[name]()
    target = RGB if metric.is_of_kind(RGB) else IDS
    accumulator = BY_NETWORKS[name]() if name in BY_NETWORKS else metric.create(target)
    side = metric.smallest_side if name == "ms_ssim" else 16
    noise = torch.Generator().manual_seed(0)
    fake, real = torch.rand(2, 4, target.network_channels, side, side, generator=noise) * 2 - 1
    for index in range(start, stop):
        accumulator.update(fake[index : index + 1], real[index : index + 1])
    return float(accumulator.compute())


def run(folder: Path, rank: int) -> None:
    results = {("alone", name, sum(split)): measured(name, 0, sum(split)) for name in METRICS for split in SPLITS}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name in METRICS:
        for split in SPLITS:
            start = 0 if rank == 0 else split[0]
            results["shared", name, split] = measured(name, start, start + split[rank])
    dist.destroy_process_group()
    assert all(math.isfinite(value) for value in results.values()), results
    torch.save(results, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), int(sys.argv[2]))
