"""Exported files in the runtimes that they were made for, each callable as a ``backends.Backend``."""

import importlib
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pix2pix_lit.checkpoints.checksums import verify_export
from pix2pix_lit.checkpoints.metadata import METADATA_KEY, GeneratorMetadata
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path
from pix2pix_lit.internals.torch import load_ahead_of_time
from pix2pix_lit.memory import is_out_of_memory

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Extra packages (``pip install "pix2pix-lit[NAME]"``) and the module that runs their files."""


class ExportedBackend:
    """An exported file, ready to paint.

    Args:
        path: of the file.
        metadata: what the file says of itself.
        run: the call of its runtime: what ``metadata`` says that the file takes, in the memory order of (N, C, H,
            W) or (N, H, W, planes), to what it gives.
        device: where ``run`` wants its input.
    """

    def __init__(
        self, path: Path, metadata: GeneratorMetadata, run: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.size_multiple = metadata.size_multiple
        self.smallest_side = metadata.smallest_side
        self.takes_images = metadata.takes_images
        self.device = device
        self._run = run

    def __call__(self, x: Tensor) -> Tensor:
        """What the file makes of ``x``.

        Raises:
            UserError: if its runtime fails, or gives something else than the file says.
            MemoryError: if there is not enough memory.
        """
        try:
            painted = self._run(x.contiguous())
        except Exception as error:  # every runtime has its own
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise self._broken(f"{type(error).__name__}: {_first_line(error)}") from error
        target = self.metadata.target
        if self.takes_images:
            expected = (*x.shape[:3], target.channels), getattr(torch, target.dtype)
        else:
            expected = (len(x), target.network_channels, *x.shape[2:]), torch.float32
        found = (tuple(painted.shape), painted.dtype) if isinstance(painted, Tensor) else (type(painted).__name__, None)
        if found != expected:
            raise self._broken(f"it gives {found[0]} of {found[1]}, not {expected[0]} of {expected[1]}")
        return painted

    def _broken(self, reason: str) -> UserError:
        return UserError(
            f"{self.path} cannot be run ({reason}); expected an intact file that pix2pix-lit export wrote: "
            f"get another copy, or export it anew"
        )


class OpenedExport(NamedTuple):
    """A file in its runtime, and what it says of itself."""

    backend: ExportedBackend
    metadata: GeneratorMetadata


def open_exported(path: str | os.PathLike[str], device: torch.device, trusted: bool = False) -> OpenedExport | None:
    """Open a file that is no plain weights; None for those that are, or that do not exist.

    Args:
        path: a file of ONNX, OpenVINO (its ``.xml``), torch.export, AOTInductor or TorchScript, known by its contents,
            and ONNX by its name.
        device: where it shall run, if its runtime leaves a choice.
        trusted: whether files may be opened that can run code.

    Raises:
        UserError: if the file is damaged, differs from what the JSON beside it says, was not exported by this project,
            or is not ``trusted`` but must be; and if its runtime is not installed.
    """
    path = Path(path)
    kind = _kind_of(path)
    if kind is None:
        return None
    verify_export(path)
    if kind in ("onnx", "openvino"):
        module = _runtime_module(kind, path)
    elif not trusted:
        raise UserError(
            f"{path} is a file of {kind}, which can run code when it is opened; expected trusted=True, for a file that "
            f"you know who made of; or a format that cannot: a checkpoint, safetensors, ONNX, OpenVINO"
        )
    try:
        match kind:
            case "onnx":
                backend = _open_onnx(module, path)
            case "openvino":
                backend = _open_openvino(module, path)
            case "torch_export":
                backend = _open_torch_export(path, device)
            case "aotinductor":
                backend = _open_aotinductor(path, device)
            case "torchscript":
                backend = _open_torchscript(path, device)
    except UserError:
        raise
    except Exception as error:  # every runtime has its own
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise UserError(
            f"{path} cannot be opened as {kind} ({reason}); expected an intact file that "
            f"pix2pix-lit export wrote for this machine: get another copy, or export it anew"
        ) from error
    return OpenedExport(backend, backend.metadata)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _kind_of(path: Path) -> str | None:
    if path.suffix.lower() == ".onnx" and path.is_file():
        return "onnx"
    if not path.is_file():  # such as a FIFO, which to open is to wait
        return None
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError:
        return None
    if start.lstrip().startswith(b"<?xml") and path.suffix.lower() == ".xml":
        return "openvino"
    if not start.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except Exception:  # damaged in one of many ways, which whoever reads it as weights tells
        return None
    if any("/data/aotinductor/" in f"/{name}" and name.endswith((".so", ".pyd", ".dll")) for name in names):
        return "aotinductor"
    if any(name.endswith("models/model.json") or name.endswith("serialized_exported_program.json") for name in names):
        return "torch_export"
    if any(name.endswith("/code/.data/ts_code") or "/code/__torch__" in name for name in names):
        return "torchscript"
    return None


def _runtime_module(kind: str, path: Path) -> Any:
    try:
        return importlib.import_module(RUNTIMES[kind])
    except ImportError as error:
        raise UserError(
            f"{path} needs {RUNTIMES[kind]}, which is not installed; expected the extra packages: pip install "
            f'"pix2pix-lit[{kind}]"'
        ) from error


def _metadata_from(text: str | None, path: Path) -> GeneratorMetadata:
    if not text:
        raise UserError(f"{path} does not say what it takes and paints; expected a file written by pix2pix-lit export")
    return GeneratorMetadata.from_json(text, path)


def _open_onnx(onnxruntime: Any, path: Path) -> ExportedBackend:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    with library_path(path) as name:
        session = onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    metadata = _metadata_from(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)
    name = session.get_inputs()[0].name

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: x.numpy()})[0])

    return ExportedBackend(path, metadata, run, torch.device("cpu"))


def _open_openvino(openvino: Any, path: Path) -> ExportedBackend:
    core = openvino.Core()
    with library_path(path) as name:
        model = core.read_model(name)
    text = model.get_rt_info([METADATA_KEY]).astype(str) if model.has_rt_info([METADATA_KEY]) else None
    metadata = _metadata_from(text, path)
    compiled = core.compile_model(model, "CPU", openvino_settings(metadata))

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(compiled(x.numpy())[0].copy())

    return ExportedBackend(path, metadata, run, torch.device("cpu"))


def openvino_settings(metadata: GeneratorMetadata) -> dict[str, Any]:
    """How OpenVINO must be told to compile a file, since left alone it takes bf16 wherever the CPU has it."""
    hint = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}[metadata.precision]
    return {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}


def _open_torch_export(path: Path, device: torch.device) -> ExportedBackend:
    files = {f"{METADATA_KEY}.json": ""}
    from torch.export.passes import move_to_device_pass

    with library_path(path) as name:
        program = torch.export.load(name, extra_files=files)
    metadata = _metadata_from(files[f"{METADATA_KEY}.json"], path)
    module = move_to_device_pass(program, str(device)).module()
    return ExportedBackend(path, metadata, torch.inference_mode()(module), device)


def _open_aotinductor(path: Path, device: torch.device) -> ExportedBackend:
    with library_path(path) as name:
        package = load_ahead_of_time(name)
    stored = package.get_metadata()
    metadata = _metadata_from(stored.get(METADATA_KEY), path)
    made_for = torch.device(stored.get("AOTI_DEVICE_KEY", "cpu"))
    if made_for.type != device.type:
        raise UserError(f"{path} was compiled for {made_for.type}; expected device={made_for.type}, or another file")
    return ExportedBackend(path, metadata, torch.inference_mode()(package), device)


def _open_torchscript(path: Path, device: torch.device) -> ExportedBackend:
    files = {f"{METADATA_KEY}.json": ""}
    with warnings.catch_warnings(), library_path(path) as name:
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, but what some programs still take
        module = torch.jit.load(name, map_location=device, _extra_files=files)
    text = files[f"{METADATA_KEY}.json"]
    metadata = _metadata_from(text.decode() if isinstance(text, bytes) else text, path)
    return ExportedBackend(path, metadata, torch.inference_mode()(module), device)
