"""The examples generate what the package generates, without it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.inference import Translator

from ..exporting import COMPILED, SHALLOW, Exported

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are in the checkout alone")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A folder with an image that networks need padding for, ``in.png`` and ``in.ppm``."""
    folder = tmp_path_factory.mktemp("examples")
    image = np.random.default_rng(0).integers(0, 256, (37, 70, 3), dtype=np.uint8)
    write_image(folder / "in.png", image)
    (folder / "in.ppm").write_bytes(b"P6\n70 37\n255\n" + image.tobytes())
    return folder


@pytest.fixture(scope="module")
def onnx_file(exported) -> Exported:
    return exported("onnx", SHALLOW, contrast=8.0, embed_preprocessing=True)


@pytest.fixture(scope="module")
def aotinductor_file(exported) -> Exported:
    if shutil.which("g++") is None:
        pytest.skip("AOTInductor needs a compiler")
    return exported("aotinductor", COMPILED, contrast=8.0, embed_preprocessing=True)


def run(folder: Path, *command: str | Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    assert done.returncode == 0, done.stdout


def check_translation(
    translation: np.ndarray, checkpoint: Path, image: Path, norm_inference: str | None = None
) -> None:
    """Compare with the package's own translation, of many gray levels."""
    expected = Translator.load(checkpoint, norm_inference=norm_inference)(read_image(image))
    assert len(np.unique(expected)) > 200
    assert translation.shape == expected.shape
    assert abs(translation.astype(int) - expected).max() <= 1


def test_examples_do_not_import_the_package():
    scripts = list(EXAMPLES.rglob("*.py"))
    assert scripts
    for script in scripts:
        assert not re.search(r"(import|from)\s+pix2pix_lit", script.read_text())


def test_onnx_runtime_in_python(images, onnx_file, tmp_path, run_python):
    run_python(tmp_path, "-I", f"{EXAMPLES}/onnx_runtime.py", f"{onnx_file.path}", f"{images}/in.png", "out.png")
    check_translation(read_image(tmp_path / "out.png"), onnx_file.checkpoint, images / "in.png")


def test_onnx_runtime_in_python_by_the_commented_lines_with_floats(images, exported, tmp_path, run_python):
    floats_file = exported("onnx", SHALLOW, contrast=8.0, norm_inference="running")
    source = (EXAMPLES / "onnx_runtime.py").read_text()
    opening = source.partition("(generated,) = ")[0]
    commented = [line.removeprefix("#     ") for line in source.splitlines() if line.startswith("#     ")]
    (tmp_path / "floats.py").write_text("\n".join([opening, *commented]))
    run_python(tmp_path, "-I", "floats.py", f"{floats_file.path}", f"{images}/in.png", "out.png")
    check_translation(read_image(tmp_path / "out.png"), floats_file.checkpoint, images / "in.png", "running")


def test_onnx_runtime_in_node(images, onnx_file, tmp_path):
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
    run(tmp_path / "web", node, "node.mjs", onnx_file.path, images / "in.png", "out.png")
    check_translation(read_image(tmp_path / "web" / "out.png"), onnx_file.checkpoint, images / "in.png")


def test_openvino_in_python(images, exported, tmp_path, run_python, monkeypatch):
    openvino_file = exported("openvino", SHALLOW, contrast=8.0, embed_preprocessing=True)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CI", raising=False)  # where OpenVINO's telemetry keeps silent
    run_python(
        tmp_path, "-I", f"{EXAMPLES}/openvino_runtime.py", f"{openvino_file.path}", f"{images}/in.png", "out.png"
    )
    assert list((tmp_path / "home").iterdir()) == []
    check_translation(read_image(tmp_path / "out.png"), openvino_file.checkpoint, images / "in.png")


def test_aotinductor_in_python(images, aotinductor_file, tmp_path, run_python):
    run_python(tmp_path, f"{EXAMPLES}/aotinductor_load.py", f"{aotinductor_file.path}", f"{images}/in.png", "out.png")
    check_translation(read_image(tmp_path / "out.png"), aotinductor_file.checkpoint, images / "in.png")


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cmake") is None, reason="it is for Linux with CMake")
def test_aotinductor_in_cpp(images, aotinductor_file, tmp_path):
    run(tmp_path, "cmake", "-S", EXAMPLES / "aotinductor_cpp", "-B", "build", "-D", f"TORCH={torch.__path__[0]}")
    run(tmp_path, "cmake", "--build", "build")
    run(tmp_path, "build/translate", aotinductor_file.path, images / "in.ppm", "out.ppm")
    header, pixels = b"P6\n70 37\n255\n", (tmp_path / "out.ppm").read_bytes()
    assert pixels.startswith(header)
    check_translation(
        np.frombuffer(pixels.removeprefix(header), np.uint8).reshape(37, 70, 3),
        aotinductor_file.checkpoint,
        images / "in.png",
    )
