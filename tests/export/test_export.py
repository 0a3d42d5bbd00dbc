"""Exported files paint what their generator paints, in every runtime, or are not there."""

import json
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from pix2pix_lit.errors import UserError
from pix2pix_lit.export import FORMATS, format_named
from pix2pix_lit.export.__main__ import export
from pix2pix_lit.images.files import read_image, write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.inference import Translator
from pix2pix_lit.networks import ResNetGenerator, UNetGenerator
from pix2pix_lit.runs.command import CONFIG_DIR

UNET = {"_target_": "pix2pix_lit.networks.UNetGenerator", "width": 4, "depth": 3, "dropout_blocks": [0]}
RESNET = {"_target_": "pix2pix_lit.networks.ResNetGenerator", "width": 4, "blocks": 1}
CLASSES = ImageType(kind="ids", channels=1, classes=5, palette=[[0, 0, 0], [9, 9, 9], [1, 2, 3], [4, 5, 6], [7, 8, 9]])
FACADES = ImageType(kind="colors", palette="facades")
PARTS = ImageType(kind="colors", palette="facades", instance_edges=True)
DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000])
HEIGHT = ImageType(channels=2, dtype="float32", range=[-1, 3])

PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino", "nncf")}
SLOW = "aotinductor"  # compiles for many seconds: once, at the end of this file
QUICK = tuple(name for name in FORMATS if name != SLOW)  # by name, since runtimes are not to be imported yet


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    parameters = getattr(request.node, "callspec", None)
    for package in PACKAGES.get(parameters.params.get("format", "") if parameters else "", ()):
        pytest.importorskip(package)


def save_checkpoint(path: Path, spec: dict, input: ImageType = RGB, target: ImageType = RGB, **more: object) -> Path:
    """A generator whose outputs span many gray levels."""
    torch.manual_seed(0)
    kind = UNetGenerator if spec["_target_"].endswith("UNetGenerator") else ResNetGenerator
    arguments = {key: value for key, value in spec.items() if key != "_target_"}
    generator = kind(input.network_channels, target.network_channels, **arguments)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    last = generator.decoder[-1].conv if kind is UNetGenerator else generator.head
    last.weight.data *= 3
    hyper_parameters = {"generator": spec, "input": input.as_dict(), "target": target.as_dict()}
    weights = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights, "global_step": 7, **more}, path)
    return path


def run_export(checkpoint: Path, folder: Path, format: str = "onnx", **settings: object) -> Path:
    """Export with these settings; the file."""
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("export", [f"ckpt='{checkpoint}'", f"format={format}"])
    output = folder / f"model{format_named(format).SUFFIX}"
    defaults = {"output": str(output), "rounds": 0, "count": 2}
    for key, value in {**defaults, **settings}.items():
        config[key] = value
    export(config)
    return Path(config.output)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """``run_export`` of ``x.ckpt``."""
    return partial(run_export, tmp_path / "x.ckpt", tmp_path / "out")


def noise(image_type: ImageType, *sides: int, seed: int = 0) -> np.ndarray:
    """(*sides, planes) of a type."""
    rng = np.random.default_rng(seed)
    shape = (*sides, image_type.planes)
    if image_type.classes is not None:
        return rng.integers(0, image_type.classes, shape).astype(image_type.dtype)
    pixels = rng.uniform(*image_type.limits, shape).astype(image_type.dtype)
    if image_type.instance_edges:
        pixels[..., -1] = 255 * rng.integers(0, 2, shape[:-1])
    return pixels


def levels_apart(a: np.ndarray, b: np.ndarray, target: ImageType) -> float:
    if target.classes is not None:
        return float((a != b).mean())
    low, high = target.limits
    return float(np.abs(a.astype(float) - b.astype(float)).max()) * 255 / (high - low)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A checkpoint and its file in a format, each made once."""
    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("exports")
    spec = UNET | {"depth": 5, "dropout_blocks": [1]}
    more = {"epoch": 2, "data": {"source": "facades", "train_pairs": 400}}
    checkpoint = save_checkpoint(folder / "x.ckpt", spec, FACADES, RGB, **more)

    def exported(format: str) -> tuple[Path, Path]:
        if format not in made:
            made[format] = run_export(checkpoint, folder / format, format, license="CC BY 4.0", rounds=1, batch_size=2)
        return checkpoint, made[format]

    return exported


@pytest.mark.parametrize("format", QUICK)
def test_a_file_paints_what_its_generator_paints_at_any_size_and_in_any_batch(exports, format):
    checkpoint, path = exports(format)
    eager, exported = Translator.load(checkpoint), Translator.load(path, trusted=True)
    for sides in ((32, 32), (2, 32, 64), (3, 37, 70), (5, 33, 1)):
        images = noise(FACADES, *sides)
        expected = eager(images)
        assert levels_apart(exported(images), expected, RGB) <= 1
    assert expected.std() > 5


def test_a_network_with_running_statistics_becomes_a_file_of_the_reference_too(tmp_path, run):
    spec = UNET | {"depth": 5, "dropout_blocks": [], "norm_inference": "running"}
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", spec)
    exported = Translator.load(run("reference"), norm_inference="running")
    images = noise(RGB, 33, 40)
    assert levels_apart(exported(images), Translator.load(checkpoint)(images), RGB) == 0


def test_a_folder_that_cannot_be_made_is_told(tmp_path, run):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="x.safetensors cannot be written .*; expected a folder with room"):
        run("safetensors", output=f"{tmp_path}/file/x.safetensors")


@pytest.mark.parametrize("format", ["onnx", "openvino", "torchscript", "safetensors"])
def test_a_file_has_the_inference_mode_that_is_asked_for(tmp_path, run, format):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET)
    exported = Translator.load(run(format, norm_inference="running"), trusted=True)
    assert exported.metadata.norm_inference == "running"
    images = noise(RGB, 2, 16, 24)
    running, per_image = (Translator.load(checkpoint, norm_inference=m)(images) for m in ("running", "per_image"))
    assert levels_apart(exported(images), running, RGB) <= 1
    assert levels_apart(exported(images), per_image, RGB) > 1


@pytest.mark.parametrize(
    ("format", "spec", "input", "target"),
    [
        ("onnx", UNET, RGB, RGB),
        ("onnx", RESNET | {"norm_inference": "running"}, RGB, RGB),
        ("onnx", UNET | {"norm": "instance"}, CLASSES, DEPTH),
        ("onnx", RESNET | {"norm": "none"}, PARTS, CLASSES),
        ("onnx", UNET, HEIGHT, HEIGHT),
        ("openvino", UNET, RGB, RGB),
        ("openvino", RESNET | {"norm": "none"}, PARTS, CLASSES),
        ("torch_export", UNET, HEIGHT, RGB),
        ("torch_export", RESNET | {"norm": "none"}, CLASSES, DEPTH),
        ("torchscript", UNET, PARTS, CLASSES),
        ("torchscript", RESNET | {"norm_inference": "running"}, RGB, HEIGHT),
    ],
)
def test_a_file_with_its_preprocessing_takes_and_gives_images_of_any_size(tmp_path, run, format, spec, input, target):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", spec, input, target)
    exported = Translator.load(run(format, embed_preprocessing=True), trusted=True)
    assert exported.backend.takes_images
    eager = Translator.load(checkpoint)
    for sides in ((2, 3), (2, 37, 70), (16, 24), (1, 1), (12, 4)):
        images = noise(input, *sides)
        expected, found = eager(images), exported(images)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert levels_apart(found, expected, target) <= (0 if target is CLASSES else 1)


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
def test_files_of_sixteen_bits_are_nearly_the_same(tmp_path, run, format, precision):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET | {"width": 16, "norm_inference": "running"})
    path = run(format, precision=precision, min_ssim=0.9)
    exported = Translator.load(path, trusted=True)
    assert exported.metadata.precision == precision
    images = noise(RGB, 2, 37, 70)
    apart = levels_apart(exported(images), Translator.load(checkpoint)(images), RGB)
    assert apart <= (4 if precision == "fp16" else 24)
    weights = sum(parameter.numel() for parameter in Translator.load(checkpoint).backend.network.parameters())
    if format != "openvino":  # which keeps weights of transposed convolutions in its own way
        assert 2 * weights <= path.stat().st_size < 2 * weights + 100_000


@pytest.mark.parametrize("format", QUICK)
def test_what_is_known_of_the_model_stands_in_the_file_and_beside_it(exports, format):
    _, path = exports(format)
    metadata = Translator.load(path, trusted=True).metadata
    if format != "reference":  # whose files have no place for it
        assert (metadata.input, metadata.target) == (FACADES, RGB)
        assert metadata.training == {"steps": 7, "epochs": 2, "data": {"source": "facades", "train_pairs": 400}}
        assert metadata.license == "CC BY 4.0"
    beside = json.loads(path.with_name(f"{path.name}.json").read_text())
    assert beside["derived"]["input_classes"][2] == {"color": [0, 128, 255], "name": "window"}
    assert beside["size_multiple"] == 32
    report = beside["report"]
    assert report["parity"]["images"] == 2
    assert report["parity"]["max_levels"] <= 1
    assert report["speed"]["batch_size"] == 2
    assert all(report["speed"][key] > 0 for key in ("latency_ms", "eager_latency_ms", "images_per_second"))
    card = path.with_name(f"{path.name}.md").read_text()
    for part in ("CC BY 4.0", "window (0, 128, 255)", "norm_inference=per_image", "drawn by this program", "facades"):
        assert part in card
    assert {p.suffix for p in path.parent.iterdir()} == {path.suffix, ".json", ".md"} | (
        {".bin"} if format == "openvino" else set()
    )


@pytest.mark.parametrize("format", QUICK)
def test_files_do_not_tell_where_they_were_made(exports, format):
    _, path = exports(format)
    contents = [file.read_bytes() for file in path.parent.iterdir()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            contents += [file.read(name) for name in file.namelist() if not name.endswith(".debug_pkl")]
    for content in contents:
        assert b"site-packages" not in content
        assert str(path.parent.parent).encode() not in content
        assert str(Path(CONFIG_DIR).parent).encode() not in content


@pytest.mark.parametrize("format", ["onnx", "openvino", "torchscript", "checkpoint"])
def test_a_file_that_paints_something_else_is_refused_and_removed(tmp_path, run, format, monkeypatch):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    module = format_named(format)
    write = module.write

    def write_wrongly(job, path):
        last = job.network.decoder[-1].conv
        last.bias.data += 0.001
        write(job, path)
        last.bias.data -= 0.001

    monkeypatch.setattr(module, "write", write_wrongly)
    with pytest.raises(
        UserError, match=r"differs from the generator by 0.00.* expected at most 0.0001 and 1: it was removed"
    ):
        run(format)
    assert list((tmp_path / "out").iterdir()) == []


def test_not_a_number_is_no_parity(tmp_path, run, monkeypatch):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    module = format_named("safetensors")
    write = module.write

    def write_wrongly(job, path):
        before = job.network.decoder[-1].conv.bias.data.clone()
        job.network.decoder[-1].conv.bias.data.fill_(torch.nan)
        write(job, path)
        job.network.decoder[-1].conv.bias.data.copy_(before)

    monkeypatch.setattr(module, "write", write_wrongly)
    with pytest.raises(UserError, match="has NaN or infinity in decoder.2.conv.bias"):
        run("safetensors")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_there_before_stays_when_an_export_fails(tmp_path, run, monkeypatch):
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    path = run("safetensors")
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    monkeypatch.setattr("pix2pix_lit.export.parity.TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differs from the generator"):
        run("safetensors")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def write_images(tmp_path: Path, count: int) -> None:
    for i in range(count):
        smooth = np.linspace(i, 255 - i, 40 * 48 * 3).reshape(40, 48, 3)
        write_image(
            tmp_path / f"in/{i:02d}.png", (smooth + noise(RGB, 40, 48, seed=i) // 4).clip(0, 255).astype(np.uint8)
        )


@pytest.mark.parametrize(("format", "embedded"), [("onnx", True), ("openvino", False)])
def test_int8_is_calibrated_on_images_and_measured_on_others(tmp_path, run, format, embedded):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET | {"width": 16, "norm_inference": "running"})
    write_images(tmp_path, 12)
    path = run(
        format,
        precision="int8",
        images=f"{tmp_path}/in",
        calibration_count=8,
        embed_preprocessing=embedded,
        min_ssim=0.5,
    )
    exported = Translator.load(path, trusted=True)
    assert exported.metadata.precision == "int8"
    image = noise(RGB, 40, 48)
    apart = np.abs(exported(image).astype(int) - Translator.load(checkpoint)(image))
    assert 0 < apart.mean() < 12
    report = json.loads(path.with_name(f"{path.name}.json").read_text())["report"]
    assert report["inputs"] == "of in, not calibrated with"
    assert report["parity"]["images"] == 2
    assert 0.5 < report["parity"]["ssim"] < 1
    with pytest.raises(
        UserError, match="the pictures of the int8 file have SSIM .* expected at least 1.0: it was removed"
    ):
        run(format, precision="int8", images=f"{tmp_path}/in", min_ssim=1.0, output=f"{tmp_path}/new/x{path.suffix}")
    assert list((tmp_path / "new").iterdir()) == []


def test_running_statistics_can_be_measured_anew_on_the_way(tmp_path, run):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET)
    write_images(tmp_path, 6)
    path = run("checkpoint", recalibrate=True, images=f"{tmp_path}/in")
    metadata = Translator.load(path).metadata
    assert metadata.norm_inference == "running"
    before = torch.load(checkpoint)["state_dict"]["generator.decoder.1.norm.running_mean"]
    after = torch.load(path)["state_dict"]["generator.decoder.1.norm.running_mean"]
    assert (before - after).abs().max() > 0.01
    # Nearer to what each image's own statistics give than the wrong ones of the checkpoint are.
    image = read_image(tmp_path / "in/03.png")
    own = Translator.load(checkpoint)(image).astype(int)
    measured, wrong = (
        np.abs(Translator.load(p, norm_inference="running")(image) - own).mean() for p in (path, checkpoint)
    )
    assert measured < wrong / 2


@pytest.mark.parametrize(
    "more",
    [{}, {"norm": "instance", "norm_inference": "per_image", "bias_before_norm": True}],
    ids=["batch", "instance"],
)
def test_the_way_to_the_reference_and_back_is_bit_exact(tmp_path, run, more):
    spec = UNET | {"depth": 5, "dropout_blocks": []} | more
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", spec)
    there = run("reference", output=f"{tmp_path}/latest_net_G.pth")
    back = run("checkpoint", ckpt=str(there), output=f"{tmp_path}/back.ckpt")
    stored, returned = (torch.load(path)["state_dict"] for path in (checkpoint, back))
    assert stored.keys() == returned.keys()
    for name, value in stored.items():
        assert torch.equal(value, returned[name]), name
    again = run("reference", ckpt=str(back), output=f"{tmp_path}/again.pth")
    ours, theirs = torch.load(there), torch.load(again)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("format", ["torch_export", "torchscript"])
def test_a_file_that_could_run_code_is_opened_only_if_it_is_trusted(exports, format):
    _, path = exports(format)
    with pytest.raises(
        UserError, match=f"is a file of {format}, which can run code when it is opened; expected trusted"
    ):
        Translator.load(path)


@pytest.mark.parametrize("format", QUICK)
def test_a_damaged_file_is_refused_in_words(tmp_path, exports, format):
    _, whole = exports(format)
    path = tmp_path / whole.name
    for length in (whole.stat().st_size // 2, 20, 0):
        path.write_bytes(whole.read_bytes()[:length])
        with pytest.raises(UserError, match="model"):
            Translator.load(path, trusted=True)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (("Reshape", ["images", "shape"]), "cannot be run \\(.*Reshape"),
        (("Tile", ["images", "twice"]), r"cannot be run \(it gives \(1, 6, 32, 32\) .*, not \(1, 3, 32, 32\)"),
    ],
)
def test_a_graph_that_fails_when_it_runs_is_told_in_words(tmp_path, exports, node, message):
    import onnx

    _, whole = exports("onnx")
    floats = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    operator, inputs = node
    numbers = {"shape": [7, 7], "twice": [1, 2, 1, 1]}
    constants = [onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [len(n)], n) for name, n in numbers.items()]
    nodes = [onnx.helper.make_node(operator, inputs, ["painted"])]
    ends = [floats("images", shape=["n", 3, "h", "w"])], [floats("painted", shape=None)]
    graph = onnx.helper.make_graph(nodes, "damaged", *ends, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {p.key: p.value for p in onnx.load(whole).metadata_props})
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(UserError, match=f"damaged.onnx {message}"):
        Translator.load(tmp_path / "damaged.onnx")(noise(FACADES, 32, 32))


@pytest.mark.parametrize("format", ["onnx", "openvino", "safetensors"])
def test_a_file_of_others_is_refused_in_words(tmp_path, format):
    path = tmp_path / f"other{format_named(format).SUFFIX}"
    if format == "onnx":
        torch.onnx.export(nn.Identity(), (torch.zeros(1, 3, 8, 8),), path, dynamo=True, verbose=False)
    elif format == "openvino":
        import openvino

        openvino.save_model(openvino.convert_model(nn.Conv2d(3, 3, 1), example_input=torch.zeros(1, 3, 8, 8)), path)
    else:
        import safetensors.torch

        safetensors.torch.save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="does not say"):
        Translator.load(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ckpt": None}, "ckpt is not set; expected: pix2pix-lit export"),
        (
            {"format": "onnx", "precision": "bf16"},
            "precision is bf16 for format=onnx; expected one of fp32, fp16, int8",
        ),
        ({"format": "reference", "precision": "fp16"}, "precision is fp16 for format=reference; expected one of fp32"),
        ({"format": "safetensors", "embed_preprocessing": True}, "holds weights and no arithmetic; expected false"),
        ({"precision": "int8"}, "images is not set; precision=int8 measures on inputs"),
        ({"format": "checkpoint", "recalibrate": True}, "images is not set; recalibrate=true measures"),
        ({"format": "onnx", "output": "model.pt"}, "ends in '.pt'; expected .onnx"),
        ({"format": "checkpoint", "output": "x.ckpt"}, "output=x.ckpt would overwrite ckpt; expected another name"),
        (
            {"format": "checkpoint", "recalibrate": True, "images": "in", "norm_inference": "per_image"},
            "recalibrate is true and norm_inference per_image",
        ),
        ({"format": "onnx", "embed_preprocessing": "no"}, "embed_preprocessing is 'no'; expected true or false"),
        ({"format": "safetensors", "count": 0}, "count is 0; expected a whole number, 1 or more"),
        ({"format": "safetensors", "lpips": "resnet"}, "lpips is 'resnet'; expected squeeze, alex, vgg or null"),
        ({"format": "safetensors", "max_lpips": 0.1}, "max_lpips is set, but lpips is null"),
        ({"format": "safetensors", "images": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(tmp_path, run, settings, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("onnxruntime")
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    with pytest.raises(UserError, match=message):
        run(**settings)


def test_an_unknown_format_is_refused():
    with pytest.raises(UserError, match="format is 'tflite'; expected one of onnx, openvino"):
        format_named("tflite")


def test_a_format_whose_packages_are_missing_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name}", name="openvino")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(
        UserError, match=r'format=openvino needs the module openvino.*pip install "pix2pix-lit\[openvino\]"'
    ):
        format_named("openvino")


def test_what_a_file_was_made_for_cannot_be_changed_when_it_is_loaded(tmp_path, run):
    pytest.importorskip("onnxruntime")
    save_checkpoint(tmp_path / "x.ckpt", UNET)
    path = run("onnx", embed_preprocessing=True)
    with pytest.raises(UserError, match="precision is bf16, but .*model.onnx was exported with precision=fp32"):
        Translator.load(path, precision="bf16")
    with pytest.raises(UserError, match="norm_inference is running, but .* exported with norm_inference=per_image"):
        Translator.load(path, norm_inference="running")
    translator = Translator.load(path)
    with pytest.raises(UserError, match="bit_depth is 16, but this file gives"):
        translator.with_bit_depth(16)
    with pytest.raises(UserError, match="tile is for networks"):
        translator(noise(RGB, 8, 8), tile=64)
    with pytest.raises(UserError, match="samples need dropout"):
        translator.draw(torch.zeros(3, 8, 8, dtype=torch.uint8), 2)


@pytest.mark.skipif(os.environ.get("CC", "g++") == "", reason="no compiler")
def test_a_compiled_package_paints_what_its_generator_paints(tmp_path, run):
    checkpoint = save_checkpoint(tmp_path / "x.ckpt", UNET | {"depth": 2, "norm_inference": "running"})
    path = run(SLOW, embed_preprocessing=True)
    with pytest.raises(UserError, match="is a file of aotinductor, which can run code"):
        Translator.load(path)
    exported = Translator.load(path, trusted=True)
    for sides in ((8, 8), (2, 37, 70), (1, 1)):
        images = noise(RGB, *sides)
        assert levels_apart(exported(images), Translator.load(checkpoint)(images), RGB) <= 1
