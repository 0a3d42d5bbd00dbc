"""What holds for every format: files equal their generator, describe themselves, and are opened with care."""

import functools
import json
import zipfile
from pathlib import Path

import pytest
import torch

import pix2pix_lit.formats
from pix2pix_lit.errors import UserError
from pix2pix_lit.formats import all_formats, format_named, format_of, load_generator, zip_entries
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator
from pix2pix_lit.runs.command import CONFIG_DIR

from ..exporting import FACADES, HEIGHT, SHALLOW, UNET, Exported, levels_apart, noise

SLOW = ("onnx", "openvino", "torch_export")
EVERY_FORMAT = pytest.mark.parametrize(
    "format",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in all_formats()
        if name != "aotinductor"  # which compiles for many seconds
    ],
)


opened = functools.cache(functools.partial(Translator.load, trusted=True))
"""The translator of an intact file, which some runtimes need a second to open."""


def depth_of(format):
    """Of the U-Net: the reference's has five levels or more, and a graph of three is exported in half the time."""
    return 5 if format == "reference" else 3


@pytest.fixture
def facades(exported):
    """A generator from labels of facades to photos, with all that a checkpoint can say about its training."""

    def facades_in(format: str) -> Exported:
        more = {"epoch": 2, "data": {"source": "facades", "train_pairs": 400}}
        spec = UNET | {"depth": depth_of(format), "dropout_blocks": [1]}
        return exported(format, spec, FACADES, RGB, more=more, license="CC BY 4.0", rounds=1, batch_size=2)

    return facades_in


@EVERY_FORMAT
def test_a_file_equals_its_generator_at_any_size_and_in_any_batch(facades, format):
    checkpoint, path = facades(format)
    eager, exported = Translator.load(checkpoint), opened(path)
    for sides in ((32, 32), (2, 32, 64), (3, 37, 70), (5, 33, 1)):
        images = noise(FACADES, *sides)
        expected = eager(images)
        assert levels_apart(exported(images), expected, RGB) <= 1
    assert expected.std() > 5


@EVERY_FORMAT
def test_metadata_is_in_the_file_and_beside_it_with_a_report_and_a_model_card(facades, format):
    _, path = facades(format)
    metadata = opened(path).metadata
    if format != "reference":  # whose files have no place for it
        assert (metadata.input, metadata.target) == (FACADES, RGB)
        assert metadata.training == {"steps": 7, "epochs": 2, "data": {"source": "facades", "train_pairs": 400}}
        assert metadata.license == "CC BY 4.0"
    beside = json.loads(path.with_name(f"{path.name}.json").read_text())
    assert beside["derived"]["input_classes"][2] == {"color": [0, 128, 255], "name": "window"}
    assert beside["size_multiple"] == 2 ** depth_of(format)
    report = beside["report"]
    assert report["parity"]["images"] == 2
    assert report["parity"]["max_levels"] <= 1
    assert report["speed"]["batch_size"] == 2
    assert all(report["speed"][key] > 0 for key in ("latency_ms", "eager_latency_ms", "images_per_second"))
    card = path.with_name(f"{path.name}.md").read_text()
    for part in (
        "CC BY 4.0",
        "window (0, 128, 255)",
        "norm_inference=per_image",
        "synthetic, since images is not set",
        "facades",
    ):
        assert part in card
    assert {p.suffix for p in path.parent.iterdir()} == {path.suffix, ".json", ".md"} | (
        {".bin"} if format == "openvino" else set()
    )


@EVERY_FORMAT
def test_files_do_not_contain_paths_of_the_machine_that_made_them(facades, format):
    _, path = facades(format)
    contents = [file.read_bytes() for file in path.parent.iterdir()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            contents += [file.read(name) for name in file.namelist() if not name.endswith(".debug_pkl")]
    for content in contents:
        assert b"site-packages" not in content
        assert str(path.parent.parent).encode() not in content
        assert str(Path(CONFIG_DIR).parent).encode() not in content


@EVERY_FORMAT
def test_a_truncated_file_is_refused_with_its_name(tmp_path, facades, format):
    _, intact = facades(format)
    path = tmp_path / intact.name
    for length in (intact.stat().st_size // 2, 20, 0):
        path.write_bytes(intact.read_bytes()[:length])
        with pytest.raises(UserError, match="model"):
            Translator.load(path, trusted=True)


@EVERY_FORMAT
def test_a_file_is_recognised_by_its_own_format_alone(facades, format):
    _, path = facades(format)
    reader = {"reference": "checkpoint"}.get(format, format)  # both are pickles, and distinguished by their tensors
    assert format_of(path) is format_named(reader)
    entries = zip_entries(path)
    found = [name for name, it in all_formats().items() if it.recognises(path, entries)]
    assert found == [reader] * (reader != "checkpoint")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino", "torchscript", "safetensors"])
def test_a_file_has_the_inference_mode_that_is_asked_for(exported, format):
    checkpoint, path = exported(format, SHALLOW, norm_inference="running")
    translator = Translator.load(path, trusted=True)
    assert translator.metadata.norm_inference == "running"
    images = noise(RGB, 2, 16, 24)
    running, per_image = (Translator.load(checkpoint, norm_inference=m)(images) for m in ("running", "per_image"))
    assert levels_apart(translator(images), running, RGB) <= 1
    assert levels_apart(translator(images), per_image, RGB) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "precision"),
    [
        ("onnx", "fp16"),
        ("openvino", "fp16"),
        ("openvino", "bf16"),
        ("torch_export", "bf16"),
        ("torchscript", "fp16"),
        ("safetensors", "bf16"),
    ],
)
def test_files_of_sixteen_bits_are_nearly_the_same(exported, format, precision):
    spec = SHALLOW | {"width": 16, "norm_inference": "running"}
    checkpoint, path = exported(format, spec, precision=precision, min_ssim=0.9)
    translator = Translator.load(path, trusted=True)
    assert translator.metadata.precision == precision
    images = noise(RGB, 2, 37, 70)
    apart = levels_apart(translator(images), Translator.load(checkpoint)(images), RGB)
    assert apart <= (4 if precision == "fp16" else 24)
    weights = sum(parameter.numel() for parameter in Translator.load(checkpoint).backend.network.parameters())
    if format != "openvino":  # which keeps weights of transposed convolutions in its own way
        assert 2 * weights <= path.stat().st_size < 2 * weights + 100_000


def test_an_unknown_format_is_refused():
    names = "aotinductor, checkpoint, onnx, openvino, reference, safetensors, torch_export, torchscript"
    with pytest.raises(UserError, match=f"format is 'tflite'; expected one of {names}"):
        format_named("tflite")


def test_a_format_whose_packages_are_missing_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name}", name="openvino")

    openvino = format_named("openvino")
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(
        UserError, match=r'format=openvino needs the module openvino.*pip install "pix2pix-lit\[openvino\]"'
    ):
        openvino.check_installed(openvino.writer_packages, "format=openvino")


@pytest.mark.slow
def test_a_graph_is_no_source_of_weights(exported):
    _, path = exported("onnx", SHALLOW, HEIGHT, RGB, contrast=8.0, embed_preprocessing=True)
    with pytest.raises(UserError, match="is a file of onnx, which holds a graph, not a network; expected a checkpoint"):
        load_generator(path)


@pytest.mark.slow
def test_what_a_graph_was_exported_with_cannot_be_changed_when_it_is_loaded(exported):
    _, path = exported("onnx", SHALLOW, HEIGHT, RGB, contrast=8.0, embed_preprocessing=True)
    with pytest.raises(UserError, match="precision is bf16, but .*model.onnx was exported with precision=fp32"):
        Translator.load(path, precision="bf16")
    with pytest.raises(UserError, match="norm_inference is running, but .* exported with norm_inference=per_image"):
        Translator.load(path, norm_inference="running")
    translator = Translator.load(path)
    with pytest.raises(UserError, match="bit_depth is 16, but this file can only generate"):
        translator.with_bit_depth(16)
    with pytest.raises(UserError, match="tile is for networks"):
        translator(noise(HEIGHT, 8, 8), tile=64)
    with pytest.raises(UserError, match="samples need dropout"):
        translator.sample(torch.zeros(2, 8, 8), 2)


@pytest.mark.slow
def test_a_format_is_a_module_of_its_name_whose_import_brings_no_runtime(tmp_path, run_python):
    names = {path.stem for path in Path(pix2pix_lit.formats.__file__).parent.glob("*.py")}
    assert names >= all_formats().keys()
    packages = {package for it in all_formats().values() for package in (*it.writer_packages, *it.reader_packages)}
    code = (
        f"import sys; from pix2pix_lit.formats import all_formats; all_formats(); print({packages} & {{*sys.modules}})"
    )
    assert run_python(tmp_path, "-c", code) == "set()\n"
    assert {"onnxruntime", "openvino"} <= packages
