"""Speed of translating image files, compared with the reference implementation's test loop.

Usage: python benchmarks/predict.py --reference DIR [--ckpt FILE] [--images FOLDER] [--count 48] [--rounds 3]

DIR is a checkout of junyanz/pytorch-CycleGAN-and-pix2pix at commit 9f8f61e. Its loop is that of its test.py,
unmodified: its data set, its model and its save_images, one image at a time; it needs ``pip install dominate``. It
writes three PNG files per image and lines of a web page; "thereof network" is its model alone.

Our side is the predict command after loading its model, with the same weights, in each precision and each runtime:
reading side-by-side files, translating their right halves in batches of 8, writing PNG. All sides translate the same
files, 512x256 JPEG pairs: those of --images, or drawn streets. Without --ckpt, weights are random, which does not
affect speed, but makes similarities to fp32 meaningless.

Every side has its own process; they take turns, after an uncounted turn each. Figures are medians of --rounds turns,
and ratios are medians of the turns' ratios. Start-up and loading are excluded on both sides.
"""

import argparse
import contextlib
import io
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

EXPORTS = {
    "ONNX Runtime fp32": ("onnx", "fp32"),
    "ONNX Runtime int8": ("onnx", "int8"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of a side's process."""

    folder: Path
    ckpt: Path
    precision: str | None = None
    batch_size: int = 8
    reference: Path | None = None


@dataclass
class Side:
    """A process that translates all images on request."""

    name: str
    process: Any
    connection: Connection
    turns: list[tuple[float, float]] = field(default_factory=list)  # seconds in total, and of the network

    def take(self) -> tuple[float, float]:
        """Translate all images once."""
        self.connection.send(True)
        return self.connection.recv()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--ckpt", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put_images(arguments.images, folder / "pairs" / "val", arguments.count)
        ckpt = arguments.ckpt or random_checkpoint(folder / "random.ckpt")
        files = {side: export(ckpt, folder, *how) for side, how in EXPORTS.items()}
        export(ckpt, folder, "reference", "fp32", "reference/run/latest_net_G.pth")
        sides = {"reference fp32": (run_reference, Settings(folder, ckpt, reference=arguments.reference.resolve()))}
        for precision in ("fp32", "bf16"):
            for batch_size in (1, 8):
                sides[f"PyTorch {precision}, batch {batch_size}"] = (
                    run_ours,
                    Settings(folder, ckpt, precision, batch_size),
                )
        sides |= {side: (run_ours, Settings(folder, path)) for side, (path, _) in files.items()}
        similarities = {side: ssim for side, (_, ssim) in files.items()}
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.count} files, unet256\n")
        columns = ["side", "images/s", "ms per image", "thereof network", "ratio (turns)", "SSIM to fp32"]
        print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
        measure(sides, similarities, arguments.count, arguments.rounds)


def measure(
    sides: dict[str, tuple[Callable[..., None], Settings]], similarities: dict[str, float], count: int, rounds: int
) -> None:
    """Let all sides take turns, and print a row for each."""
    context = multiprocessing.get_context("spawn")
    running: list[Side] = []
    try:
        for name, (run, settings) in sides.items():
            here, there = context.Pipe()
            process = context.Process(target=run, args=(settings, there), daemon=True)
            process.start()
            there.close()
            running.append(Side(name, process, here))
            running[-1].take()
        for _ in range(rounds):
            for side in running:
                side.turns.append(side.take())
        for side in running:
            seconds, network_seconds = (statistics.median(times) / count for times in zip(*side.turns, strict=True))
            ratios = [theirs[0] / ours[0] for theirs, ours in zip(running[0].turns, side.turns, strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            share = f"{1000 * network_seconds:.1f}" if network_seconds else ""
            ssim = f"{similarities[side.name]:.4f}" if side.name in similarities else ""
            print(
                f"| {side.name} | {1 / seconds:.1f} | {1000 * seconds:.1f} | {share} | {spread} | {ssim} |", flush=True
            )
    finally:
        for side in running:
            side.process.kill()
            side.process.join()


def run_ours(settings: Settings, connection: Connection) -> None:
    """Translate with the loop of the predict command."""
    from hydra import compose, initialize_config_dir

    from pix2pix_lit.inference import Translator
    from pix2pix_lit.inference.files import find_inputs
    from pix2pix_lit.inference.prediction import Prediction
    from pix2pix_lit.inference.prediction import Settings as Predicting
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.predict import _run
    from pix2pix_lit.runs.command import CONFIG_DIR

    keep_freed_memory()
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("predict", ["device=cpu"])
    translator = Translator.load(settings.ckpt, precision=settings.precision)
    with tempfile.TemporaryDirectory() as output:
        predicting = Predicting(Path(output), half="right", batch_size=settings.batch_size)
        while connection.recv():
            tasks = find_inputs(str(settings.folder / "pairs" / "val"), output, ".png").tasks
            start = time.perf_counter()
            with contextlib.redirect_stderr(io.StringIO()):  # the progress bar
                outcome = _run(Prediction(translator, tasks, predicting), config)
            seconds = time.perf_counter() - start
            assert (outcome.done, outcome.failures) == (len(tasks), [])
            shutil.rmtree(output)
            connection.send((seconds, 0.0))


def run_reference(settings: Settings, connection: Connection) -> None:
    """Translate with the loop of the reference's test.py."""
    sys.path.insert(0, str(settings.reference))
    results = settings.folder / "results"
    # fmt: off
    sys.argv = [
        "test.py", "--dataroot", str(settings.folder / "pairs"), "--name", "run", "--model", "pix2pix",
        "--phase", "val", "--direction", "BtoA", "--gpu_ids", "-1",
        "--checkpoints_dir", str(settings.folder / "reference"), "--results_dir", str(results),
    ]
    # fmt: on
    with contextlib.redirect_stdout(io.StringIO()):
        from data import create_dataset
        from models import create_model
        from options.test_options import TestOptions
        from util import html
        from util.visualizer import save_images

        options = TestOptions().parse()
        options.num_threads, options.batch_size, options.serial_batches, options.no_flip = 0, 1, True, True
        options.display_id = -1
        dataset, model = create_dataset(options), create_model(options)
        model.setup(options)
    while connection.recv():
        network_seconds = 0.0
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            page = html.HTML(str(results), "benchmark")
            for data in dataset:
                model.set_input(data)
                begun = time.perf_counter()
                model.test()
                network_seconds += time.perf_counter() - begun
                save_images(page, model.get_current_visuals(), model.get_image_paths())
            page.save()
        connection.send((time.perf_counter() - start, network_seconds))


def put_images(source: Path | None, target: Path, count: int) -> None:
    """Write side-by-side JPEG files, with the photo on the left and the labels on the right."""
    target.mkdir(parents=True)
    if source is not None:
        for path in sorted(source.glob("*.jpg"))[:count]:
            shutil.copy(path, target)
        return
    import numpy as np
    from PIL import Image

    from pix2pix_lit.data.sources.streets import StreetsSource

    streets = StreetsSource(split="val", val_length=count)
    for index in range(count):
        pair = streets[index]
        Image.fromarray(np.concatenate([pair.a, pair.b], 1)).save(target / f"{index:04d}.jpg", quality=90)


def random_checkpoint(path: Path) -> Path:
    """The default model before training."""
    from pix2pix_lit.images.image_type import RGB
    from pix2pix_lit.networks import UNetGenerator
    from pix2pix_lit.networks.layers.init import initialize

    torch.manual_seed(0)
    generator = UNetGenerator()
    initialize(generator)
    spec = {"_target_": "pix2pix_lit.networks.UNetGenerator"}
    hyper_parameters = {"generator": spec, "input": RGB.as_dict(), "target": RGB.as_dict()}
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, path)
    return path


def export(ckpt: Path, folder: Path, format: str, precision: str, name: str | None = None) -> tuple[Path, float]:
    """Export a file in a format, and measure the similarity of its outputs to those of the generator."""
    import json

    from hydra import compose, initialize_config_dir

    from pix2pix_lit.export.__main__ import export as run_export
    from pix2pix_lit.formats import format_named
    from pix2pix_lit.runs.command import CONFIG_DIR

    output = folder / (name or f"{precision}{format_named(format).suffix}")
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose(
            "export", [f"format={format}", f"precision={precision}", "half=right", "rounds=0", "min_ssim=0"]
        )
    config.ckpt, config.output, config.images = str(ckpt), str(output), str(folder / "pairs" / "val")
    run_export(config)
    report = json.loads(output.with_name(f"{output.name}.json").read_text())["report"]
    return output, report["parity"]["ssim"]


if __name__ == "__main__":
    main()
