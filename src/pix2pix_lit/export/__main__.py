"""Write a generator to a file, compare the file with the generator, time both, and write a model card."""

import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from omegaconf import DictConfig

from pix2pix_lit.checks import FilePath, FreeText, Word, check_flag, check_integer
from pix2pix_lit.errors import UserError, printable
from pix2pix_lit.files.atomic_write import temporary_folder
from pix2pix_lit.files.json import as_json
from pix2pix_lit.files.names import library_path
from pix2pix_lit.runs.command import command

if TYPE_CHECKING:
    from pix2pix_lit.checkpoints.metadata import GeneratorMetadata
    from pix2pix_lit.export.inputs import Inputs
    from pix2pix_lit.export.parity import Perceptual
    from pix2pix_lit.formats.format import Format, Job

log = logging.getLogger(__name__)


class Keys:
    """The types of the keys of ``configs/export.yaml``."""

    ckpt: FilePath | None
    output: FilePath | None
    format: Word
    precision: Word
    embed_preprocessing: bool
    norm_inference: Word | None
    recalibrate: bool
    images: FilePath | None
    half: Word | None
    count: int
    calibration_count: int
    min_ssim: float
    lpips: Word | None
    max_lpips: float | None
    batch_size: int
    rounds: int
    license: FreeText | None
    training_data: FreeText | None
    device: Word


def export(config: DictConfig) -> None:
    """Export a generator as ``configs/export.yaml`` describes.

    Args:
        config: the composed config.

    Raises:
        UserError: if the checkpoint, the images or a value cannot be used, and if the file's output differs from the
            generator's; the file is then removed.
    """
    # Imported here so that --help and a mistyped key answer at once.
    from pix2pix_lit.export.parity import as_table
    from pix2pix_lit.export.recalibration import recalibrate
    from pix2pix_lit.formats import format_named, load_generator
    from pix2pix_lit.formats.format import Job
    from pix2pix_lit.memory import keep_freed_memory
    from pix2pix_lit.runs.folder import checkpoint_in

    if config.ckpt in (None, ""):
        raise UserError("ckpt is not set; expected: pix2pix-lit export ckpt=FILE format=onnx")
    keep_freed_memory()  # as in predict, for realistic timings
    format = format_named(config.format)
    format.check_installed(format.writer_packages, f"format={format.name}")
    _check_settings(config, format)
    checkpoint = checkpoint_in(config.ckpt)
    target = _target_of(config, checkpoint, format)
    network, metadata = load_generator(checkpoint, "running" if config.recalibrate else config.norm_inference)
    inputs = _inputs(config, metadata)
    if config.recalibrate:
        recalibrate(network, metadata, inputs.calibration)
    stated = {"data": config.training_data} if config.training_data else {}
    metadata = metadata.changed(
        precision=config.precision,
        takes_images=config.embed_preprocessing,
        training={**metadata.training, **stated},
        license=config.license or metadata.license,
    )
    job = Job(network, metadata, inputs.calibration if config.precision == "int8" else [], config.device)
    with _folder_beside(target) as folder:
        written = folder / target.name
        with library_path(written) as name:
            format.write(job, name)
        report = _report(config, job, written, format, inputs)
        _describe(written, format, metadata, report)
        # The file itself comes last, after the files that it needs.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == target.name):
            os.replace(path, target.parent / path.name)
    log.info("%s", as_table(report))
    log.info("Wrote %s, with metadata in %s.json and a model card in %s.md", target, target.name, target.name)


def _check_settings(config: DictConfig, format: "Format") -> None:
    """Refuse inconsistent settings."""
    from pix2pix_lit.formats.format import GraphFormat

    for key in ("embed_preprocessing", "recalibrate"):
        check_flag(key, config[key])
    if config.precision not in format.precisions:
        raise UserError(
            f"precision is {config.precision} for format={format.name}; expected one of {', '.join(format.precisions)}"
        )
    if config.embed_preprocessing and not isinstance(format, GraphFormat):
        raise UserError(f"embed_preprocessing is true, but format={format.name} holds only weights; expected false")
    if config.images is None and (config.precision == "int8" or config.recalibrate):
        what = "precision=int8" if config.precision == "int8" else "recalibrate=true"
        raise UserError(
            f"images is not set; {what} measures on inputs like those that the network will see, such as its training "
            f"data: set images=FOLDER"
        )
    if config.recalibrate and config.norm_inference == "per_image":
        raise UserError(
            "recalibrate is true and norm_inference per_image, which does not use running statistics; expected one of "
            "them"
        )


def _target_of(config: DictConfig, checkpoint: Path, format: "Format") -> Path:
    """The file to write."""
    target = Path(config.output or f"{checkpoint.with_suffix('')}{format.suffix}")
    ending = "." + format.suffix.rpartition(".")[2]
    if target.is_dir():
        raise UserError(
            f"output={target} is a folder; expected the name of a file, such as {target / 'model'}{format.suffix}"
        )
    if target.suffix != ending:
        raise UserError(
            f"output={target} ends in {target.suffix!r}; expected {ending}, by which programs recognise files of "
            f"format={format.name}"
        )
    if target.resolve() == checkpoint.resolve():
        raise UserError(f"output={target} would overwrite ckpt; expected another name: set output=FILE{ending}")
    return target


def _report(config: DictConfig, job: "Job", written: Path, format: "Format", inputs: "Inputs") -> dict[str, Any]:
    """Compare a written file with its generator and time both.

    Raises:
        UserError: if the file differs from the generator.
    """
    import torch

    from pix2pix_lit.export.parity import check, compare, measure_speed
    from pix2pix_lit.formats.backends import in_precision
    from pix2pix_lit.formats.format import GraphFormat
    from pix2pix_lit.inference.translator import Translator

    metadata = job.metadata
    # Files of weights may lack the inference mode, which matters only for batch norm.
    has_choice = not isinstance(format, GraphFormat) and metadata.generator.get("norm", "batch") == "batch"
    mode = metadata.generator.get("norm_inference") if has_choice else None
    in_torch = in_precision(job.network, "fp32", torch.device(config.device))
    eager = Translator(in_torch, metadata.input, metadata.target)
    exported = Translator.load(written, config.device, norm_inference=mode, trusted=True)
    parity = compare(eager, exported, inputs.compared, _perceptual(config))
    check(parity, config.precision, config.min_ssim, config.max_lpips)
    speed = None
    if config.rounds:
        speed = measure_speed(eager, exported, inputs.compared[0], config.batch_size, config.rounds)
    return {
        "format": format.name,
        "precision": config.precision,
        "norm_inference": metadata.norm_inference,
        "inputs": inputs.origin,
        "parity": asdict(parity),
        "speed": None if speed is None else asdict(speed),
        "file_mib": sum(path.stat().st_size for path in written.parent.iterdir()) / 2**20,
        "environment": _environment(config.device),
    }


def _describe(written: Path, format: "Format", metadata: "GeneratorMetadata", report: dict[str, Any]) -> None:
    """Write the JSON, with checksums, and the model card of an exported file beside it."""
    from pix2pix_lit.checkpoints.checksums import SHA256, checksums_of, json_beside
    from pix2pix_lit.export.card import model_card

    description = json.loads(metadata.to_json()) | {
        "format": format.name,
        SHA256: checksums_of(written.parent.iterdir()),
        "report": report,
    }
    json_beside(written).write_text(as_json(description), "utf-8")
    card = model_card(written.name, format.name, metadata, report)
    written.with_name(f"{written.name}.md").write_text(printable(card), "utf-8")


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A context with a temporary folder on the disk of ``target``; disk errors become a ``UserError``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target.parent) as folder:
            yield folder
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error}); expected a writable folder with enough space"
        ) from error


def _inputs(config: DictConfig, metadata: "GeneratorMetadata") -> "Inputs":
    from pix2pix_lit.export.inputs import choose_inputs

    for key in ("count", "calibration_count", "batch_size"):
        check_integer(key, config[key], 1)
    needs_calibration = config.precision == "int8" or config.recalibrate
    return choose_inputs(
        metadata, config.images, config.half, config.count, config.calibration_count if needs_calibration else 0
    )


def _perceptual(config: DictConfig) -> "Perceptual | None":
    """LPIPS, if the config requests it."""
    if config.lpips is None:
        if config.max_lpips is not None:
            raise UserError(
                "max_lpips is set, but lpips is null; expected the network to measure it with: set lpips=squeeze"
            )
        return None
    import torch

    from pix2pix_lit.images.image_type import RGB
    from pix2pix_lit.metrics.lpips import LPIPS, Net

    if config.lpips not in get_args(Net):
        raise UserError(f"lpips is {config.lpips!r}; expected squeeze, alex, vgg or null")
    try:
        accumulator = LPIPS(config.lpips).create(RGB)
    except UserError as error:
        raise UserError(f"lpips={config.lpips}: {error}; or set lpips=null") from error

    def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
        smallest = min(ours.shape[-2:])
        if smallest < LPIPS.smallest_side:
            factor = LPIPS.smallest_side / smallest
            ours, theirs = (torch.nn.functional.interpolate(x, scale_factor=factor) for x in (ours, theirs))
        return float(accumulator(ours, theirs))

    return distance


def _environment(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"


main = command("export", Keys, required=["ckpt"])(export)

if __name__ == "__main__":
    main()
