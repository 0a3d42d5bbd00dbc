"""The audit says which part of [-1, 1] the network sees, and what to type so that it sees all."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from pix2pix_lit.data.audit.__main__ import audit
from pix2pix_lit.data.audit.values import Values, better_setting, measure_values, seen_by_network
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.runs.command import CONFIG_DIR

SIDE = 48
GRAY16 = ("data.source.b.channels=1", "data.source.b.dtype=uint16")
FLOAT = ("data.source.b.channels=1", "data.source.b.dtype=float32")


def scene(index: int) -> np.ndarray:
    """Blobs on a slope, (SIDE, SIDE, 1) in [0, 1]; other ones for every index."""
    dice = np.random.default_rng(index)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    image = 0.2 * y
    for center_y, center_x, radius in dice.uniform((0, 0, 0.1), (1, 1, 0.3), (5, 3)):
        image[(y - center_y) ** 2 + (x - center_x) ** 2 < radius**2] = dice.uniform(0.3, 1)
    return image[..., None]


def as_mask(image: np.ndarray) -> np.ndarray:
    return (image > 0.25).astype(np.uint8)


def run_audit(root: Path, convert: Callable[[np.ndarray], np.ndarray], *overrides: str) -> dict[str, Any]:
    suffix = ".npy" if convert(scene(0)).dtype == np.float32 else ".png"
    for split, first, count in (("train", 0, 22), ("val", 50, 4)):
        for index in range(first, first + count):
            photo = (scene(index) * 255).astype(np.uint8).repeat(3, -1)
            write_image(root / split / "A" / f"{index}.png", photo)
            image = convert(scene(index))
            path = root / split / "B" / f"{index}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if suffix == ".npy":
                np.save(path, image)
            else:
                write_image(path, image)
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        overrides = (
            "data=folders",
            f"data.root={root}",
            f"data.load_size={SIDE}",
            f"data.crop_size={SIDE}",
            *overrides,
        )
        audit(compose("audit", [*overrides, "num_workers=0", f"output={root}/out"]))
    return json.loads((root / "out" / "audit.json").read_text())


def warnings(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for finding in report["findings"] if finding["check"] == "value range"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_audit_page")
@pytest.mark.parametrize(
    ("convert", "overrides", "found", "to_type"),
    [
        (lambda image: as_mask(image).repeat(3, -1), (), "-1.00 to -0.99, 0.4% of", "range=[0,1]"),
        (as_mask, ("data.source.b.channels=1",), "-1.00 to -0.99, 0.4% of", "range=[0,1]"),
        (lambda image: (image * 4000).astype(np.uint16), GRAY16, "of train and val hold 0 to 3", "range=[0,4095]"),
        (lambda image: (image * 255).astype(np.uint16), GRAY16, "but 0 to 65535 are -1 and 1", "range=[0,255]"),
        (
            lambda image: (image * 3000 - 1000).astype(np.float32),
            (*FLOAT, "data.source.b.range=[0,1]"),
            "100% clipped: files of train and val hold -1000 to",
            "range=[-1000,2000]",
        ),
        (
            lambda image: (image * 0.05).astype(np.float32),
            (*FLOAT, "data.source.b.range=[0,1]"),
            "of [-1, 1]",
            "range=[0,0.05]",
        ),
    ],
    ids=["mask as RGB", "gray mask", "12 bits in 16", "8 bits in 16", "HU", "small floats"],
)
def test_a_poor_value_range_is_reported_with_what_to_type(tmp_path, convert, overrides, found, to_type):
    report = run_audit(tmp_path, convert, *overrides)
    (warning,) = warnings(report)
    assert found in warning["message"]
    assert f"data.source.b.{to_type}" in warning["to_type"]
    assert report["errors"] == 0
    assert report["splits"]["train"]["seen"]["a"]["high"] > 0.5
    typed = shlex.split(warning["to_type"].partition(" (or")[0])
    again = run_audit(tmp_path, convert, *overrides, *typed)
    assert warnings(again) == []
    assert again["splits"]["val"]["seen"]["b"]["high"] > 0.4


@pytest.mark.usefixtures("no_audit_page")
def test_a_mask_may_also_be_declared_as_class_numbers(tmp_path):
    report = run_audit(tmp_path, lambda image: as_mask(image).repeat(3, -1))
    _, _, classes = warnings(report)[0]["to_type"].partition("if these are class numbers: ")
    assert classes == "data/pixels@data.source.b=ids data.source.b.classes=2)"
    again = run_audit(tmp_path, lambda image: as_mask(image).repeat(3, -1), *classes.strip(")").split())
    assert warnings(again) == []
    assert "b" not in again["splits"]["train"]["seen"]


def test_table_and_page_say_what_the_network_sees(tmp_path, caplog):
    caplog.set_level("INFO")
    run_audit(tmp_path, as_mask, "data.source.b.channels=1")
    assert "The network sees train B from -1.00 to -0.99" in caplog.text
    assert "To fix these, add:\nvalue range: 'data.source.b.range=[0,1]' (or, if" in caplog.text
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "<dt>B in [-1, 1]</dt><dd>from -1.00 to -0.99</dd>" in page
    assert "<code>&#x27;data.source.b.range=[0,1]&#x27; (or, if" in page


def seen(images, image_type):
    measured = [measure_values(image, image_type) for image in images]
    return seen_by_network([values for values in measured if values is not None], image_type)


def test_a_few_bright_spots_on_black_are_seen_in_full():
    images = [np.zeros((400, 400, 3), np.uint8) for _ in range(30)]
    for image in images[:3]:  # all others are black
        image[100:109, 200:209] = 255
    found = seen(images, RGB)
    assert (found.low, found.high, found.is_poor) == (-1, 1, False)


def test_defects_of_a_sensor_are_not_taken_for_values():
    image_type = ImageType(channels=1, dtype="uint16")
    dice = np.random.default_rng(0)
    images = [dice.integers(0, 4096, (100, 100, 1)).astype(np.uint16) for _ in range(60)]
    for image in images:
        image[dice.integers(0, 100, 20), dice.integers(0, 100, 20)] = 65535
    images[0][:] = 65535 - images[0]  # one image in sixty is something else
    found = seen(images, image_type)
    assert found.is_poor
    assert better_setting(found, image_type, "a") == "'data.source.a.range=[0,4095]'"


def test_values_beyond_the_range_are_counted_as_clipped():
    image_type = ImageType(channels=1, dtype="uint16", range=[0, 1000])
    image = np.arange(2000, dtype=np.uint16).reshape(40, 50, 1)
    found = seen([image], image_type)
    assert found.clipped == pytest.approx(999 / 2000)
    assert found.is_poor
    assert (found.low, found.high) == (pytest.approx(-1, abs=0.05), 1)
    assert not seen([image], ImageType(channels=1, dtype="uint16", range=[0, 2000])).is_poor


@pytest.mark.parametrize(
    ("low", "high", "dtype", "setting"),
    [
        (0, 9, "uint8", "'data.source.a.range=[0,15]' (or, if these are class numbers: "),
        (0, 1000, "uint16", "'data.source.a.range=[0,1023]'"),
        (30412, 31055, "uint16", "'data.source.a.range=[30410,31060]'"),
        (200, 214, "uint8", "'data.source.a.range=[200,214]'"),
        (250, 255, "uint8", "'data.source.a.range=[250,255]'"),
        (-0.0123, 0.987, "float32", "'data.source.a.range=[-0.02,0.99]'"),
        (273.2, 310.9, "float32", "'data.source.a.range=[273,311]'"),
    ],
)
def test_ranges_are_round_and_hold_what_is_there(low, high, dtype, setting):
    image_type = ImageType(channels=1, dtype=dtype, range=[0, 255])
    found = seen_by_network([Values(low, high, 0.0)], image_type)
    assert better_setting(found, image_type, "a").startswith(setting)


def test_class_numbers_and_blank_images_have_nothing_to_be_seen():
    assert measure_values(np.zeros((8, 8, 1), np.uint8), ImageType(kind="ids", channels=1, classes=2)) is None
    assert seen([np.zeros((8, 8, 3), np.uint8)], RGB) is None
