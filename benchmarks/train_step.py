"""Speed of the training step, compared with the reference implementation's and with the machine's peak.

Usage: python benchmarks/train_step.py [--reference DIR] [--batch 1 4 16] [--precision fp32 bf16] [--steps 4]
           [--rounds 5] [--warmup 8] [--device cpu] [--compile MODE]

Our side is the default model as the train command builds and runs it: by the Trainer, with logging, with batches that
are already in memory. The bare step, the same arithmetic on the same networks without the Trainer, runs between its
steps; the difference is the overhead. With --reference DIR, a checkout of junyanz/pytorch-CycleGAN-and-pix2pix at
commit 9f8f61e, its Pix2PixModel takes the same steps, unmodified in fp32, also with batches that are already in memory.

Every side has its own process, since keeping freed memory is a setting of the process. After a warm-up they take turns:
each round is --steps steps of each side. Figures are medians over rounds, and ratios are medians of the rounds' ratios.
The peak of the machine is the speed of large matrix products in the precision of the row, measured in the same run. The
operations of a step are counted by torch.utils.flop_counter, and assumed to be the same for all sides. Memory is the
largest resident set of the side's process; "libraries" is its part before a model was built. With --device cuda, it is
the peak of torch's allocations on the device.
"""

import argparse
import contextlib
import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MIB = 2**20


@dataclass(frozen=True)
class Settings:
    """The settings of a side's process."""

    batch: int
    precision: str
    device: str
    compile: str | None
    reference: str


@dataclass
class Turn:
    """The results of a side's process: seconds per step, in total and of the bare step, and MiB of memory."""

    seconds: float
    bare_seconds: float
    memory: float
    libraries: float


@dataclass
class Side:
    """A process that takes training steps on request."""

    name: str
    precision: str
    process: Any
    connection: Connection
    turns: list[Turn] = field(default_factory=list)

    def take(self, steps: int) -> Turn:
        """Take some steps."""
        self.connection.send(steps)
        return self.connection.recv()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--precision", nargs="+", choices=["fp32", "tf32", "bf16"], default=["fp32"])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=8)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", metavar="MODE")
    arguments = parser.parse_args()
    peaks = {precision: peak_flops(arguments.device, precision) for precision in arguments.precision}
    peaks.setdefault("fp32", peak_flops(arguments.device, "fp32"))
    flops = flops_of_step()
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"torch {torch.__version__}, {device}; {flops / 1e9:.1f} GF an image, peak in GF/s:", end=" ")
    print(", ".join(f"{precision} {peak / 1e9:.0f}" for precision, peak in peaks.items()), end="\n\n")
    columns = [
        "batch",
        "side",
        "images/s",
        "ms a step",
        "ratio (rounds)",
        "of peak",
        "MiB",
        "of it libraries",
        "overhead",
    ]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for batch in arguments.batch:
        with processes(arguments, batch) as sides:
            for _ in range(arguments.rounds):
                for side in sides:
                    side.turns.append(side.take(arguments.steps))
        for side in sides:
            print(row(side, sides[0] if arguments.reference else None, batch, flops, peaks), flush=True)


@contextlib.contextmanager
def processes(arguments: argparse.Namespace, batch: int) -> Iterator[list[Side]]:
    """The sides for one batch size, warmed up; the reference, if given, comes first."""
    context = multiprocessing.get_context("spawn")
    kinds = [("ours", precision) for precision in arguments.precision]
    if arguments.reference is not None:
        kinds.insert(0, ("reference", "fp32"))
    sides: list[Side] = []
    try:
        for name, precision in kinds:
            run = run_ours if name == "ours" else run_reference
            settings = Settings(batch, precision, arguments.device, arguments.compile, str(arguments.reference))
            here, there = context.Pipe()
            process = context.Process(target=run, args=(settings, there), daemon=True)
            process.start()
            there.close()  # so that the end of the process is heard of
            sides.append(Side(name, precision, process, here))
            sides[-1].take(arguments.warmup)
        yield sides
    finally:
        for side in sides:
            side.process.kill()
            side.process.join()


def row(side: Side, reference: Side | None, batch: int, flops: float, peaks: dict[str, float]) -> str:
    """A line of the table."""
    seconds = statistics.median(turn.seconds for turn in side.turns)
    ratio = ""
    if reference is not None:
        ratios = [theirs.seconds / ours.seconds for theirs, ours in zip(reference.turns, side.turns, strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    cells = [
        str(batch),
        f"{side.name} {side.precision}",
        f"{batch / seconds:.2f}",
        f"{1000 * seconds:.0f}" if seconds > 0.1 else f"{1000 * seconds:.2f}",
        ratio,
        f"{100 * flops * batch / seconds / peaks[side.precision]:.0f} %",
        f"{side.turns[-1].memory:.0f}",
        f"{side.turns[-1].libraries:.0f}",
    ]
    overheads = [turn.seconds / turn.bare_seconds - 1 for turn in side.turns if turn.bare_seconds]
    cells.append(f"{100 * statistics.median(overheads):+.1f} %" if overheads else "")
    return "| " + " | ".join(cells) + " |"


def run_reference(settings: Settings, connection: Connection) -> None:
    """The process of the reference's Pix2PixModel, with the defaults of its own options."""
    sys.path.insert(0, settings.reference)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        sys.argv = ["train.py", "--model", "pix2pix", "--dataroot", folder, "--checkpoints_dir", folder]
        sys.argv += ["--gpu_ids", "0" if settings.device == "cuda" else "-1", "--batch_size", str(settings.batch)]
        from models.pix2pix_model import Pix2PixModel  # type: ignore[import-not-found]
        from options.train_options import TrainOptions  # type: ignore[import-not-found]

        options = TrainOptions().parse()
        libraries = memory(settings.device)
        model = Pix2PixModel(options)
        model.setup(options)
    images = [pixels.float() / 127.5 - 1 for pixels in pixels_of_batch(settings.batch)]
    batch = {"A": images[0], "B": images[1], "A_paths": [], "B_paths": []}

    def step() -> None:
        model.set_input(batch)
        model.optimize_parameters()

    while True:
        seconds = seconds_a_step(step, connection.recv(), settings.device)
        connection.send(Turn(seconds, 0.0, memory(settings.device), libraries))


def run_ours(settings: Settings, connection: Connection) -> None:
    """The process of our training, as the train command runs it."""
    import lightning as L
    from torch.utils.data import DataLoader

    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.train import build

    libraries = memory(settings.device)
    keep_freed_memory()
    if settings.device == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = settings.precision != "fp32"

    class Turns(L.Callback):
        """Counts the Trainer's steps, and waits for a request between two turns."""

        steps = left = 0
        start = 0.0

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if self.left == 0:
                if self.steps:
                    synchronise(settings.device)
                    seconds = (time.perf_counter() - self.start) / self.steps
                    bare = bare_step(pl_module, trainer.optimizers, batch, settings)
                    bare_seconds = seconds_a_step(bare, self.steps, settings.device)
                    connection.send(Turn(seconds, bare_seconds, memory(settings.device), libraries))
                self.left = self.steps = connection.recv()
                self.start = time.perf_counter()
            self.left -= 1

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):  # the progress bar
        trainer, model, datamodule = build(composed(settings, folder))
        trainer.callbacks.append(Turns())
        input, target = pixels_of_batch(settings.batch)
        batch = {"input": input, "target": target, "name": ["made up"] * settings.batch}
        datamodule.train_dataloader = lambda: DataLoader([batch] * 10**6, batch_size=None)
        trainer.fit(model, datamodule)


def composed(settings: Settings, folder: str) -> Any:
    """The default config without validation, checkpoints and sample grids, which are not part of a step."""
    from hydra import compose, initialize_config_dir

    from pix2pix_lit.runs.command import CONFIG_DIR

    overrides = ["~callbacks.best", "~callbacks.last", "~callbacks.samples", f"output_dir={folder}"]
    overrides += [f"trainer={'gpu' if settings.device == 'cuda' else 'cpu'}", "trainer.limit_val_batches=0"]
    overrides += [f"trainer.precision={'bf16-mixed' if settings.precision == 'bf16' else '32-true'}"]
    overrides += ["trainer.enable_model_summary=false", f"model.compile={settings.compile or 'null'}"]
    with initialize_config_dir(CONFIG_DIR, version_base="1.3"):
        return compose("train", overrides)


def bare_step(
    model: Any, optimizers: list[torch.optim.Optimizer], batch: Any, settings: Settings
) -> Callable[[], None]:
    """A step of the default model without Trainer, logging and optional features."""
    from pix2pix_lit.networks.discriminators.output import split_outputs
    from pix2pix_lit.networks.layers.norm import statistics_of_parts

    generator, discriminator = model.generator, model.discriminator
    adversarial, reconstruction = model.losses.adversarial, model.losses.reconstruction
    autocast = torch.autocast(settings.device, torch.bfloat16, enabled=settings.precision == "bf16")

    def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step() -> None:
        input, target = model.input_type.to_network(batch["input"]), model.target_type.to_network(batch["target"])
        with autocast:
            fake = generator(input)
            with statistics_of_parts(discriminator, 2):
                images = torch.cat([fake.detach().to(target.dtype), target])
                fake_output, target_output = split_outputs(discriminator(torch.cat([input, input]), images))
            loss = (adversarial.on_fake(fake_output, input) + adversarial.on_real(target_output, input)) / 2
        descend(optimizers[1], loss)
        discriminator.requires_grad_(False)
        with autocast:
            adversarial_term = adversarial.for_generator(discriminator(input, fake), input)
            loss = adversarial.weight * adversarial_term + reconstruction.weight * reconstruction(fake, target)
        descend(optimizers[0], loss)
        discriminator.requires_grad_(True)

    return step


def flops_of_step() -> float:
    """Floating-point operations of a training step on one image; a multiply-add counts as two."""
    from torch.utils.flop_counter import FlopCounterMode

    from pix2pix_lit.train import build

    settings = Settings(1, "fp32", "cpu", None, "")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        _, model, _ = build(composed(settings, folder))
    input, target = pixels_of_batch(1)
    step = bare_step(model, model.configure_optimizers(), {"input": input, "target": target}, settings)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def peak_flops(device: str, precision: str) -> float:
    """Floating-point operations per second of the fastest of some large matrix products."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    side = 2048 if device == "cpu" else 8192
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    seconds_a_step(lambda: matrix @ matrix, 3, device)
    return 2 * side**3 / min(seconds_a_step(lambda: matrix @ matrix, 3, device) for _ in range(10))


def pixels_of_batch(count: int) -> tuple[Tensor, Tensor]:
    """Input and target: (count, 3, 256, 256) uint8 noise, channels last in memory as batches of the data module."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, 256, 256)
    input, target = (torch.randint(256, shape, dtype=torch.uint8, generator=generator) for _ in range(2))
    return tuple(pixels.contiguous(memory_format=torch.channels_last) for pixels in (input, target))  # type: ignore[return-value]


def seconds_a_step(step: Callable[[], object], steps: int, device: str) -> float:
    """Mean seconds of some steps, including the work of the device."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise(device)
    return (time.perf_counter() - start) / steps


def synchronise(device: str) -> None:
    """Wait until the GPU has finished."""
    if device == "cuda":
        torch.cuda.synchronize()


def memory(device: str) -> float:
    """Peak memory of this process in MiB: allocated on the GPU, or resident (only on Linux)."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
