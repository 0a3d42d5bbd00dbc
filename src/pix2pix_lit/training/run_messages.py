"""The messages at the start and the end of training, and which of Lightning's messages are suppressed."""

import logging
import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from pix2pix_lit.runs.quoting import quote
from pix2pix_lit.runs.rank import world_size_from_outside
from pix2pix_lit.runs.result import Result, format_metrics

if TYPE_CHECKING:
    import lightning as L

    from pix2pix_lit.data import PairsDataModule
    from pix2pix_lit.training.module import Pix2Pix

log = logging.getLogger(__name__)

_PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # values that need no quotes in Hydra's grammar

# How Lightning's messages begin that repeat our own or advertise.
_LIGHTNING_SAYS = (
    "GPU available:",
    "TPU available:",
    "HPU available:",
    "Restoring states from the checkpoint path at",
    "Restored all states from the checkpoint at",
    "`Trainer.fit` stopped:",
    "`Trainer(limit_",
    "💡 Tip:",
)


def quieten_lightning() -> None:
    """Suppress messages of Lightning that repeat ours or report nothing wrong; its other warnings stay."""
    logging.getLogger("lightning").handlers.clear()  # Hydra's logging prints the same records
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_new)
    for message, module in (
        (r".*isinstance\(treespec, LeafSpec\)", ""),  # Lightning's own use of torch
        ("Experiment logs directory .* exists and is not empty", r"lightning\."),  # the run's own folder
        ("Checkpoint directory .* exists and is not empty", r"lightning\."),
        # Moving averages and the networks of perceptual losses are always in eval mode.
        (r"Found \d+ module\(s\) in eval mode", r"lightning\."),
        # The losses of the last batch are logged anyway.
        (r"The number of training batches \(\d+\) is smaller than the logging interval", r"lightning\."),
    ):
        warnings.filterwarnings("ignore", message=message, module=module)


def _is_new(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_LIGHTNING_SAYS)


def log_start(trainer: "L.Trainer", model: "Pix2Pix", datamodule: "PairsDataModule") -> None:
    """Log one line each about data, networks and device; nothing in a sweep."""
    if not _in_sweep():
        for line in (_data(datamodule), _networks(model), _device(trainer)):
            log.info("%s", line)


def log_end(result: Result, folder: Path, datamodule: "PairsDataModule") -> None:
    """Log the final metrics, paths of images and checkpoints, and what to type next; in a sweep only the metrics."""
    log.info("%s", _outcome(result))
    if not _in_sweep():
        for lines in (_files(folder), _next_commands(folder, datamodule)):
            if lines:
                log.info("%s", "\n    ".join(lines))


def log_how_to_resume(folder: Path) -> None:
    """Log the command that resumes an interrupted run, to copy and paste; nothing in a sweep."""
    if not _in_sweep():
        log.info("%s", "\n    ".join(_resume_command(folder)))


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _data(datamodule: "PairsDataModule") -> str:
    from pix2pix_lit.data.size import height_and_width

    height, width = height_and_width(datamodule.crop_size, "data.crop_size")
    place = f" in {datamodule.root}" if datamodule.root else ""
    return (
        f"data: {len(datamodule.train_pairs)} training and {len(datamodule.val_pairs)} validation pairs{place}, "
        f"{width}x{height} pixels, {datamodule.direction}: {datamodule.input_type.describe()} -> "
        f"{datamodule.target_type.describe()}"
    )


def _networks(model: "Pix2Pix") -> str:
    described = []
    for name in ("generator", "discriminator"):
        if (network := getattr(model, name)) is not None:
            count = sum(parameter.numel() for parameter in network.parameters())
            frozen = sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)
            described.append(
                f"{name} {type(network).__name__} with {_rounded(count)} parameters"
                + (f", {_rounded(frozen)} of them frozen" if frozen else "")
            )
    return f"model: {'; '.join(described)}" + ("; no discriminator" if model.discriminator is None else "")


def _device(trainer: "L.Trainer") -> str:
    import torch

    device = trainer.strategy.root_device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"CPU with {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type.upper()
    times = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    return f"device: {times}{name}, precision {trainer.precision}"


def _rounded(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count / 1e3:.3g} k"


def _outcome(result: Result) -> str:
    text = f"Done: {result.epochs} epoch{'s' * (result.epochs != 1)}, {result.steps} step{'s' * (result.steps != 1)}"
    if result.metrics:
        text += f"; {format_metrics(result.metrics)}"
    return text if result.best is None else f"{text} (best {result.objective} {result.best:.4g})"


def _files(folder: Path) -> list[str]:
    """One line for the newest sample grid and each checkpoint that exists."""
    files = [("newest grid", path) for path in sorted((folder / "samples").glob("step_*.png"))[-1:]]
    files += [(f"{name} checkpoint", folder / "checkpoints" / f"{name}.ckpt") for name in ("last", "best")]
    found = [f"{name}: {_short(path)}" for name, path in files if path.exists()]
    return ["Files:", *found] if found else []


def _next_commands(folder: Path, datamodule: "PairsDataModule") -> list[str]:
    """The commands that translate images with the last checkpoint and show the loss curves, with a heading."""
    commands = []
    checkpoint = folder / "checkpoints" / "last.ckpt"
    if checkpoint.exists():
        source = "FILE_OR_FOLDER"
        if datamodule.describe()["source"] == "StreetsSource":  # there are no files to translate yet
            size = f"size={datamodule.crop_size}".replace(" ", "")
            commands.append(_command("examples", ["output=outputs/examples", size]))
            source = "outputs/examples/" + ("labels" if datamodule.direction == "BtoA" else "photos")
        translate = [f"ckpt={_short(checkpoint)}", f"input={source}", "output=outputs/translated"]
        commands.append(_command("predict", translate))
    if any(folder.glob("events.out.tfevents.*")):
        program = ["tensorboard"] if _is_on_path("tensorboard") else [_python(), "-m", "tensorboard.main"]
        commands.append(shlex.join([*program, "--logdir", _short(folder)]))
    return ["Next, type:", *commands] if commands else []


def _resume_command(folder: Path) -> list[str]:
    saved = (folder / "checkpoints" / "last.ckpt").exists()
    heading = "To resume this run, type:" if saved else "Nothing was saved. To start this run again, type:"
    arguments = [
        argument
        for argument in sys.argv[1:]
        if not argument.startswith("hydra.run.dir=") and argument != "ckpt_path=last"
    ]
    place = _short(folder)
    arguments.append(f"hydra.run.dir={place if _PLAIN.fullmatch(place) else quote(place)}")
    if world_size_from_outside() > 1:  # the command of torchrun or srun is not known here
        return [heading, f"the same command, with {arguments[-1]}"]
    return [heading, _command("train", arguments)]


def _command(name: str, arguments: Iterable[str]) -> str:
    """The command line ``pix2pix-lit NAME ...``, or its ``python -m`` form if the script is not on the PATH."""
    program = ["pix2pix-lit"] if _is_on_path("pix2pix-lit") else [_python(), "-m", "pix2pix_lit"]
    return shlex.join([*program, name, *arguments])


def _python() -> str:
    return "python" if _is_on_path("python") else _short(Path(sys.executable))


def _is_on_path(name: str) -> bool:
    """Whether the shell finds a program of that name in the environment of this Python.

    Links are not resolved, since the Python of every virtual environment is a link to the same file.
    """
    found = shutil.which(name)
    return found is not None and Path(found).absolute().parent == Path(sys.executable).parent


def _short(path: Path) -> str:
    """The path relative to the working directory if it is inside."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
