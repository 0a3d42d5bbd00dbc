"""Metadata stored in every model file."""

import json

import pytest

import pix2pix_lit
from pix2pix_lit.checkpoints.metadata import GeneratorMetadata, classes_of
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import PALETTE_NAMES, PALETTES

LABELS = ImageType(kind="ids", channels=1, classes=20, palette="cityscapes", values="cityscapes_train_ids")
DEPTH = ImageType(channels=1, dtype="uint16", range=[0, 4000], background=[7])


def describe(**changes) -> GeneratorMetadata:
    spec = {"_target_": "pix2pix_lit.networks.UNetGenerator", "norm": "batch", "norm_inference": "running"}
    return GeneratorMetadata(spec, LABELS, DEPTH, 256, 256, **changes)


def test_json_holds_all_metadata():
    metadata = describe(precision="bf16", takes_images=True, training={"steps": 7}, license="MIT")
    assert GeneratorMetadata.from_json(metadata.to_json(), "x.onnx") == metadata
    assert metadata.version == pix2pix_lit.__version__


def test_json_tells_other_programs_what_they_need():
    derived = json.loads(describe().to_json())["derived"]
    assert derived["norm_inference"] == "running"
    assert (derived["network_input_channels"], derived["network_output_channels"]) == (20, 1)
    assert derived["input_classes"][13] == {"color": [0, 0, 142], "name": "car"}
    assert derived["target_classes"] is None


@pytest.mark.parametrize(("norm", "mode"), [("batch", "running"), ("instance", "per_image"), ("none", "none")])
def test_the_inference_mode_is_that_of_the_norm(norm, mode):
    metadata = describe()
    assert metadata.changed(generator={**metadata.generator, "norm": norm}).norm_inference == mode


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {"kind": "sound"}},
        {"input": None},
        {"precision": "fp64"},
        {"generator": "os.system"},
        {"generator": {"norm": "group"}},
        {"size_multiple": 0},
        {"size_multiple": "256"},
        {"smallest_side": 10**9},
        {"training": 3},
        {"license": ["MIT"]},
        {"surprise": 1},
        {"derived": ...},
    ],
)
def test_invalid_metadata_is_refused_with_a_message(changes):
    values = json.loads(describe().to_json())
    for key, value in changes.items():
        if value is ...:
            del values[key]
        else:
            values[key] = value
    with pytest.raises(UserError, match="x.onnx has metadata that this version"):
        GeneratorMetadata.from_json(json.dumps(values), "x.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"told"'])
def test_text_that_is_no_object_is_refused_with_a_message(text):
    with pytest.raises(UserError, match="x.onnx has metadata that this version"):
        GeneratorMetadata.from_json(text, "x.onnx")


def test_every_named_palette_has_a_name_for_each_colour():
    assert PALETTE_NAMES.keys() == PALETTES.keys()
    for name, colors in PALETTES.items():
        assert len(PALETTE_NAMES[name]) == len(colors)
        assert all(isinstance(entry["name"], str) for entry in classes_of(ImageType(kind="colors", palette=name)))
    all_of_them = dict(
        zip(map(tuple, PALETTES["cityscapes_all"].tolist()), PALETTE_NAMES["cityscapes_all"], strict=True)
    )
    assert all_of_them[128, 64, 128] == "road"
    assert all_of_them[0, 0, 0] == "void"
    assert all_of_them[81, 0, 81] == "ground"


def test_colours_without_names_and_images_without_colours_are_described():
    assert classes_of(ImageType(kind="colors", palette=[[1, 2, 3]])) == [{"color": [1, 2, 3]}]
    assert classes_of(RGB) is None
