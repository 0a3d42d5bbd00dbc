"""The command: write a file, check it, time it, and say what it is."""

import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from pix2pix_lit.checks import check_flag, check_integer
from pix2pix_lit.errors import UserError, printable
from pix2pix_lit.files.atomic_write import temporary_folder
from pix2pix_lit.files.json import as_json
from pix2pix_lit.files.names import library_path
from pix2pix_lit.runs.command import command

if TYPE_CHECKING:
    import numpy as np

    from pix2pix_lit.export.parity import Perceptual

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/export.yaml``."""

    ckpt: str | None
    output: str | None
    format: str
    precision: str
    embed_preprocessing: bool
    norm_inference: str | None
    recalibrate: bool
    images: str | None
    half: str | None
    count: int
    calibration_count: int
    min_ssim: float
    lpips: str | None
    max_lpips: float | None
    batch_size: int
    rounds: int
    license: str | None
    training_data: str | None
    device: str


def export(config: DictConfig) -> None:
    """Export a generator as ``configs/export.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the checkpoint, the images or a value cannot be used, and if the file does not paint what its
            generator paints; then there is no file.
    """
    # Imported here so that --help and a mistyped key answer at once.
    import torch

    from pix2pix_lit.checkpoints.checksums import SHA256, checksums_of, json_beside
    from pix2pix_lit.checkpoints.loading import load_generator
    from pix2pix_lit.export import format_named
    from pix2pix_lit.export.card import model_card
    from pix2pix_lit.export.job import Job
    from pix2pix_lit.export.parity import as_plain, as_table, check, compare, measure_speed
    from pix2pix_lit.export.recalibration import recalibrate
    from pix2pix_lit.inference.backends import in_precision
    from pix2pix_lit.inference.translator import Translator
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.runs.folder import checkpoint_in

    if config.ckpt in (None, ""):
        raise UserError("ckpt is not set; expected: pix2pix-lit export ckpt=FILE format=onnx")
    for key in ("embed_preprocessing", "recalibrate"):
        check_flag(key, config[key])
    keep_freed_memory()  # as predict does, so that the generator is timed as it is used
    module = format_named(config.format)
    if config.precision not in module.PRECISIONS:
        raise UserError(
            f"precision is {config.precision} for format={config.format}; expected one of "
            f"{', '.join(module.PRECISIONS)}"
        )
    if config.embed_preprocessing and not module.IS_GRAPH:
        raise UserError(
            f"embed_preprocessing is true, but format={config.format} holds weights and no arithmetic; expected false"
        )
    if config.images is None and (config.precision == "int8" or config.recalibrate):
        what = "precision=int8" if config.precision == "int8" else "recalibrate=true"
        raise UserError(
            f"images is not set; {what} measures on inputs of the kind that the network will see, such as those of its "
            f"training: set images=FOLDER"
        )
    checkpoint = checkpoint_in(config.ckpt)
    target = Path(config.output or f"{checkpoint.with_suffix('')}{module.SUFFIX}")
    if target.is_dir():
        raise UserError(
            f"output={target} is a folder; expected the name of a file, such as {target / 'model'}{module.SUFFIX}"
        )

    ending = "." + module.SUFFIX.rpartition(".")[2]
    if target.suffix != ending:
        raise UserError(
            f"output={target} ends in {target.suffix!r}; expected {ending}, by which programs know files of "
            f"format={config.format}"
        )
    if target.resolve() == checkpoint.resolve():
        raise UserError(f"output={target} would overwrite ckpt; expected another name: set output=FILE{ending}")
    if config.recalibrate and config.norm_inference == "per_image":
        raise UserError(
            "recalibrate is true and norm_inference per_image, which has no use for it; expected one of them"
        )
    network, metadata = load_generator(checkpoint, "running" if config.recalibrate else config.norm_inference)
    images, calibration, told = _inputs(config, metadata)
    if config.recalibrate:
        recalibrate(network, metadata, calibration)
    stated = {"data": config.training_data} if config.training_data else {}
    metadata = metadata.changed(
        precision=config.precision,
        takes_images=config.embed_preprocessing,
        training={**metadata.training, **stated},
        license=config.license or metadata.license,
    )
    job = Job(network, metadata, calibration if config.precision == "int8" else [], config.device)
    perceptual = _perceptual(config)

    # Weights alone do not say the mode in every format; graphs have it built in, and only batch norm has a choice.
    has_choice = not module.IS_GRAPH and metadata.generator.get("norm", "batch") == "batch"
    mode = metadata.generator.get("norm_inference") if has_choice else None
    with _folder_beside(target) as folder:
        written = folder / target.name
        with library_path(written) as name:
            module.write(job, name)
        in_torch = in_precision(network, "fp32", torch.device(config.device))
        eager = Translator(in_torch, metadata.input, metadata.target)
        exported = Translator.load(written, config.device, norm_inference=mode, trusted=True)
        parity = compare(eager, exported, images, perceptual)
        check(parity, config.precision, config.min_ssim, config.max_lpips)
        speed = measure_speed(eager, exported, images[0], config.batch_size, config.rounds) if config.rounds else None
        report = {
            "format": config.format,
            "precision": config.precision,
            "norm_inference": metadata.norm_inference,
            "inputs": told,
            "parity": as_plain(parity),
            "speed": None if speed is None else as_plain(speed),
            "file_mib": sum(path.stat().st_size for path in folder.iterdir()) / 2**20,
            "environment": _environment(config.device),
        }
        beside = json.loads(metadata.to_json()) | {
            "format": config.format,
            SHA256: checksums_of(folder.iterdir()),
            "report": report,
        }
        json_beside(written).write_text(as_json(beside), "utf-8")
        card = model_card(target.name, config.format, metadata, report)
        (folder / f"{target.name}.md").write_text(printable(card), "utf-8")
        # What the file needs to work comes first, itself last.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == target.name):
            os.replace(path, target.parent / path.name)
    log.info("%s", as_table(report))
    log.info("Written: %s, and beside it what it is: %s.json and %s.md", target, target.name, target.name)


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Within: a folder on the same disk, which goes in the end; errors of the disk are a ``UserError``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target.parent) as folder:
            yield folder
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error}); expected a folder with room to write to") from error


def _inputs(config: DictConfig, metadata: Any) -> "tuple[list[np.ndarray], list[np.ndarray], str]":
    """The images to compare on, those to calibrate with, and in words where they are from."""
    from pix2pix_lit.export.inputs import DRAWN, draw_inputs, read_inputs

    for key in ("count", "calibration_count", "batch_size"):
        check_integer(key, config[key], 1)
    if config.images is None:
        side = max(metadata.size_multiple, metadata.smallest_side, 64)
        sizes = [side, side + side // 4 + 1]  # the second is padded
        drawn = [draw_inputs(metadata.input, size, -(-config.count // 2)) for size in sizes]
        return [image for group in drawn for image in group][: config.count], [], DRAWN
    needs_calibration = config.precision == "int8" or config.recalibrate
    total = config.count + (config.calibration_count if needs_calibration else 0)
    images = read_inputs(config.images, config.half, metadata.input, total)
    if not needs_calibration:
        return images, images, f"of {Path(config.images).name}"
    # Accuracy is measured on others than those that ranges were measured on, if there are enough.
    compared = min(config.count, max(1, len(images) // 2))
    step = len(images) / compared
    held_out = {int(i * step) for i in range(compared)}
    calibration = [image for i, image in enumerate(images) if i not in held_out]
    if not calibration:
        return images, images, f"of {Path(config.images).name}, calibrated with it too"
    return [images[i] for i in sorted(held_out)], calibration, f"of {Path(config.images).name}, not calibrated with"


def _perceptual(config: DictConfig) -> "Perceptual | None":
    """LPIPS, if the config asks for it."""
    if config.lpips is None:
        if config.max_lpips is not None:
            raise UserError(
                "max_lpips is set, but lpips is null; expected the network to measure it by: set lpips=squeeze"
            )
        return None
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    if config.lpips not in ("squeeze", "alex", "vgg"):
        raise UserError(f"lpips is {config.lpips!r}; expected squeeze, alex, vgg or null")
    try:
        metric = LearnedPerceptualImagePatchSimilarity(net_type=config.lpips)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"lpips={config.lpips}: the weights of torchvision's network could not be had ({error}); expected a "
            f"connection, or its file in torch's cache: or set lpips=null"
        ) from error

    def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
        smallest = min(ours.shape[-2:])
        if smallest < 32:  # its network halves sides five times
            ours, theirs = (torch.nn.functional.interpolate(x, scale_factor=32 / smallest) for x in (ours, theirs))
        return float(metric(ours, theirs))

    return distance


def _environment(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"


main = command("export", Keys, required=["ckpt"])(export)

if __name__ == "__main__":
    main()
