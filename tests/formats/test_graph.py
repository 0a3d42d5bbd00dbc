"""Graphs with their preprocessing inside compute what the translator computes."""

import logging

import pytest

from pix2pix_lit.formats.graph import quiet
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.inference import Translator

from ..exporting import CLASSES, DEPTH, HEIGHT, PARTS, RESNET, SHALLOW, levels_apart, noise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "spec", "input", "target"),
    [
        ("onnx", SHALLOW, HEIGHT, RGB),
        ("onnx", SHALLOW | {"norm_inference": "running"}, RGB, HEIGHT),
        ("onnx", SHALLOW | {"norm": "instance"}, CLASSES, DEPTH),
        ("onnx", RESNET | {"norm": "none"}, PARTS, CLASSES),
        ("openvino", RESNET | {"norm": "none"}, PARTS, CLASSES),
        ("torch_export", SHALLOW | {"norm": "instance"}, CLASSES, DEPTH),
        ("torchscript", SHALLOW, PARTS, CLASSES),
        ("torchscript", RESNET | {"norm_inference": "running"}, RGB, HEIGHT),
    ],
)
def test_a_file_with_its_preprocessing_translates_images_of_any_size(exported, format, spec, input, target):
    checkpoint, path = exported(format, spec, input, target, contrast=8.0, embed_preprocessing=True)
    translator = Translator.load(path, trusted=True)
    assert translator.backend.takes_images
    eager = Translator.load(checkpoint)
    for sides in ((2, 3), (2, 37, 70), (16, 24), (1, 1), (12, 4)):
        images = noise(input, *sides)
        expected, found = eager(images), translator(images)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert levels_apart(found, expected, target) <= (0 if target is CLASSES else 1)


def test_exporters_print_nothing_and_leave_logging_as_it_was(capsys):
    root = logging.getLogger()

    def state():
        return root.handlers[:], root.filters[:], root.level, root.manager.disable, logging.getLoggerClass()

    before = state()

    def convert():
        root.handlers = [logging.StreamHandler()]
        root.addFilter(lambda record: False)
        root.setLevel(logging.ERROR)
        logging.setLoggerClass(type("Other", (logging.Logger,), {}))
        print("noise")
        logging.getLogger("exporter").warning("noise")
        raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"), quiet():
        convert()
    assert state() == before
    assert capsys.readouterr() == ("", "")
