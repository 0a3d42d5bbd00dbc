"""The examples paint what the package paints, without it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from pix2pix_lit.export.__main__ import export
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import UNetGenerator
from pix2pix_lit.runs.command import CONFIG_DIR

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are in the checkout alone")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint ``x.ckpt``, and an image that its network needs padding for, ``in.png`` and ``in.ppm``."""
    folder = tmp_path_factory.mktemp("examples")
    torch.manual_seed(0)
    spec = {"width": 4, "depth": 2, "dropout_blocks": [0]}  # few layers: AOTInductor compiles each
    generator = UNetGenerator(in_channels=3, out_channels=3, **spec)
    with torch.no_grad():
        generator.decoder[-1].conv.weight.mul_(8)  # or all that it paints is nearly gray
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    hyper_parameters = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    hyper_parameters |= {"input": RGB.as_dict(), "target": RGB.as_dict()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, folder / "x.ckpt")
    image = np.random.default_rng(0).integers(0, 256, (37, 70, 3), dtype=np.uint8)
    write_image(folder / "in.png", image)
    (folder / "in.ppm").write_bytes(b"P6\n70 37\n255\n" + image.tobytes())
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> np.ndarray:
    """What the package paints: (H, W, 3), of many gray levels."""
    painted = Translator.load(folder / "x.ckpt")(read_image(folder / "in.png"))
    assert len(np.unique(painted)) > 200
    return painted


@pytest.fixture(scope="module")
def exported(folder) -> Callable[..., Path]:
    """Export the checkpoint; returns the file."""

    def export_file(format: str, name: str, takes_images: bool = True) -> Path:
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            config = compose("export", [f"format={format}", f"embed_preprocessing={takes_images}", "rounds=0"])
        config.ckpt, config.output, config.count = str(folder / "x.ckpt"), str(folder / name), 2
        export(config)
        return folder / name

    return export_file


@pytest.fixture(scope="module")
def onnx_file(exported) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    return exported("onnx", "model.onnx")


@pytest.fixture(scope="module")
def aotinductor_file(exported) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("AOTInductor needs a compiler")
    return exported("aotinductor", "model.aoti.pt2")


def run(folder: Path, *command: str | Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    assert done.returncode == 0, done.stdout


def check_same_picture(painted: np.ndarray, expected: np.ndarray) -> None:
    assert painted.shape == expected.shape
    assert abs(painted.astype(int) - expected).max() <= 1


def test_examples_do_not_import_the_package():
    scripts = list(EXAMPLES.rglob("*.py"))
    assert scripts
    for script in scripts:
        assert not re.search(r"(import|from)\s+pix2pix_lit", script.read_text())


def test_onnx_runtime_in_python(folder, onnx_file, expected, tmp_path, run_python):
    run_python(tmp_path, "-I", f"{EXAMPLES}/onnx_runtime.py", f"{onnx_file}", f"{folder}/in.png", "out.png")
    check_same_picture(read_image(tmp_path / "out.png"), expected)


def test_onnx_runtime_in_python_by_the_commented_lines_with_floats(folder, exported, expected, tmp_path, run_python):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    floats_file = exported("onnx", "floats.onnx", takes_images=False)
    source = (EXAMPLES / "onnx_runtime.py").read_text()
    opening = source.partition("(painted,) = ")[0]
    commented = [line.removeprefix("#     ") for line in source.splitlines() if line.startswith("#     ")]
    (tmp_path / "floats.py").write_text("\n".join([opening, *commented]))
    run_python(tmp_path, "-I", "floats.py", f"{floats_file}", f"{folder}/in.png", "out.png")
    check_same_picture(read_image(tmp_path / "out.png"), expected)


def test_onnx_runtime_in_node(folder, onnx_file, expected, tmp_path):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no Node.js")
    shutil.copytree(EXAMPLES / "onnx_web", tmp_path / "web", ignore=shutil.ignore_patterns("node_modules"))
    # Scripts of packages are not needed, and those who run tests did not ask for them.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline"]
    try:
        run(tmp_path / "web", npm, "install", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", *options)
    except (AssertionError, subprocess.TimeoutExpired):
        if os.environ.get("CI"):
            raise
        pytest.skip("npm cannot install onnxruntime-web here")
    run(tmp_path / "web", node, "node.mjs", onnx_file, folder / "in.png", "out.png")
    check_same_picture(read_image(tmp_path / "web" / "out.png"), expected)


def test_openvino_in_python(folder, exported, expected, tmp_path, run_python, monkeypatch):
    pytest.importorskip("openvino")
    model = exported("openvino", "model.xml")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CI", raising=False)  # where OpenVINO's telemetry keeps silent
    run_python(tmp_path, "-I", f"{EXAMPLES}/openvino_runtime.py", f"{model}", f"{folder}/in.png", "out.png")
    assert list((tmp_path / "home").iterdir()) == []
    check_same_picture(read_image(tmp_path / "out.png"), expected)


def test_aotinductor_in_python(folder, aotinductor_file, expected, tmp_path, run_python):
    run_python(tmp_path, "-I", f"{EXAMPLES}/aotinductor_load.py", f"{aotinductor_file}", f"{folder}/in.png", "out.png")
    check_same_picture(read_image(tmp_path / "out.png"), expected)


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cmake") is None, reason="it is for Linux with CMake")
def test_aotinductor_in_cpp(folder, aotinductor_file, expected, tmp_path):
    run(tmp_path, "cmake", "-S", EXAMPLES / "aotinductor_cpp", "-B", "build", "-D", f"TORCH={torch.__path__[0]}")
    run(tmp_path, "cmake", "--build", "build")
    run(tmp_path, "build/translate", aotinductor_file, folder / "in.ppm", "out.ppm")
    header, pixels = b"P6\n70 37\n255\n", (tmp_path / "out.ppm").read_bytes()
    assert pixels.startswith(header)
    check_same_picture(np.frombuffer(pixels.removeprefix(header), np.uint8).reshape(37, 70, 3), expected)
