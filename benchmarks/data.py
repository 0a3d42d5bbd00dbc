"""Speed of loading pairs, uncached and cached, compared with the reference implementation's loader.

Usage: python benchmarks/data.py [--root FOLDER] [--pairs 300] [--rounds 5] [--workers 2]

All pipelines read the same 512x256 side-by-side JPEG files: those in FOLDER, or quality-90 files of drawn streets. They
take turns in rounds, in this process and on one thread; then the loaders do so with worker processes. The reference's
pipeline (reference_loader.py) ends with floats; ours with uint8 batches, which are scaled on the training device. The
last rows include that scaling, on the CPU.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from reference_loader import load_as_the_reference, resize_as_the_reference
from torch.utils.data import DataLoader, Dataset

from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import PairIndex
from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.images.image_type import RGB, ImageType

BATCH = 16
LABELS = ImageType(kind="colors")


class Reference(Dataset[list[torch.Tensor]]):
    """The reference's data set: one pair per index."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.generator = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        return load_as_the_reference(self.paths[index], 256, self.generator)


def write_streets(folder: Path, pairs: int) -> None:
    """Side-by-side JPEG files of drawn streets, as a data set of the aligned layout."""
    for split, count in (("train", pairs), ("val", 1)):
        (folder / split).mkdir()
        source = StreetsSource(split=split, size=256, train_length=pairs, val_length=1)
        for i in range(count):
            image = Image.fromarray(np.hstack(source[i][:2]))
            image.save(folder / split / f"{i:05d}.jpg", quality=90)


def check_equal(data: PairsDataModule, paths: list[Path]) -> None:
    """Check that the cached pixels are bit-equal to the reference's."""
    for index, path in enumerate(paths):
        pair = data.train_pairs.pairs[index]
        for mine, theirs in zip(pair[:2], resize_as_the_reference(path, 286), strict=True):
            if not np.array_equal(mine, np.asarray(theirs)):
                raise SystemExit(f"{path}: cached pixels differ from the reference's")
    print(f"cached with Pillow's filter: all pixels of {len(paths)} pairs equal to the reference's")


def seconds_a_pair(run: Callable[[int], object], pairs: int, round_number: int) -> float:
    """Time ``run(round)``, which loads ``pairs`` pairs."""
    start = time.perf_counter()
    run(round_number)
    return (time.perf_counter() - start) / pairs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder)
        if arguments.root is None:
            write_streets(root, arguments.pairs)
        paths = sorted(path for path in (root / "train").iterdir() if path.suffix == ".jpg")[: arguments.pairs]
        few = Path(folder) / "few"
        for split in ("train", "val"):
            (few / split).mkdir(parents=True)
            for path in paths if split == "train" else paths[:1]:
                (few / split / path.name).symlink_to(path.absolute())
        measure(few, sorted((few / "train").iterdir()), arguments.rounds, arguments.workers)


def measure(root: Path, paths: list[Path], rounds: int, workers: int) -> None:
    """Time every pipeline on the pairs of the train split."""
    make = partial(PairsDataModule, root=str(root), batch_size=BATCH, num_workers=workers)
    photo_and_labels = partial(AlignedSource, a=RGB, b=LABELS)
    ours = {
        "uncached, OpenCV's filters": make(photo_and_labels),
        "uncached, the reference's filter": make(AlignedSource, resampling="pillow"),
        "cached on disk, the reference's filter": make(
            AlignedSource, resampling="pillow", cache="disk", cache_dir=str(root / "cache")
        ),
        "cached in memory, OpenCV's filters": make(photo_and_labels, cache="ram"),
    }
    for data in ours.values():
        data.setup()
    check_equal(ours["cached on disk, the reference's filter"], paths)

    generator = np.random.default_rng(0)

    def read_batches(data: PairsDataModule, epoch: int, *, scaled: bool = False) -> None:
        for first in range(0, len(paths), BATCH):
            draws = [PairIndex(epoch, index) for index in range(first, min(first + BATCH, len(paths)))]
            batch = data.train_pairs[draws]
            if scaled:
                data.input_type.to_network(batch["input"])
                data.target_type.to_network(batch["target"])

    pipelines: dict[str, Callable[[int], object]] = {
        "reference": lambda epoch: [load_as_the_reference(path, 256, generator) for path in paths]
    }
    for name, data in ours.items():
        pipelines[name] = partial(read_batches, data)
    for name in list(ours)[::2]:
        pipelines[f"{name}, scaled to floats"] = partial(read_batches, ours[name], scaled=True)
    print_table(f"\n{len(paths)} pairs on one thread", pipelines, len(paths), rounds)

    reference = DataLoader(
        Reference(paths), BATCH, shuffle=True, num_workers=workers, persistent_workers=True, drop_last=True
    )
    loaders = {name: data.train_dataloader() for name, data in ours.items()}
    full = len(paths) // BATCH * BATCH
    pipelines = {"reference": lambda epoch: [None for _ in reference]}
    for name, loader in loaders.items():
        pipelines[name] = partial(read_epoch, loader)
    print_table(f"\n{full} pairs in batches of {BATCH} by {workers} worker processes", pipelines, full, rounds)


def read_epoch(loader: DataLoader, epoch: int) -> None:
    """All batches of an epoch."""
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    for _ in loader:
        pass


def print_table(title: str, pipelines: dict[str, Callable[[int], object]], pairs: int, rounds: int) -> None:
    """Run the pipelines in turns; print medians, and ratios to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in pipelines}
    for round_number, (name, run) in itertools.product(range(-1, rounds), pipelines.items()):
        measured = seconds_a_pair(run, pairs, max(round_number, 0))
        if round_number >= 0:  # the first one warms up
            seconds[name].append(measured)
    print(f"{title}, medians of {rounds} rounds")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"  {name:<56} {1000 * median:7.3f} ms {1 / median:9.0f} pairs/s {first / median:7.1f}x")


if __name__ == "__main__":
    main()
