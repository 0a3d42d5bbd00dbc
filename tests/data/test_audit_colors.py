"""The audit compares a palette with the colours that labels have, and offers these as a palette."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from pix2pix_lit.data.audit.__main__ import audit
from pix2pix_lit.data.audit.colors import NEAR, clusters, distances, flat_colors
from pix2pix_lit.images.palettes import PALETTES
from pix2pix_lit.runs.command import CONFIG_DIR

pytestmark = pytest.mark.usefixtures("no_audit_page")

SIDE = 128
JET12 = "[[0,0,170],[0,0,255],[0,85,255],[0,170,255],[0,255,255],[85,255,170],[170,255,85],[255,255,0],[255,170,0]"
JET12 += ",[255,85,0],[255,0,0],[170,0,0]]"  # of the CMP database itself, which the archive's colours are not


def facade(index: int, palette: np.ndarray) -> np.ndarray:
    """Labels as windows in a wall, of all colours: the first two are the most frequent."""
    dice = np.random.default_rng(index)
    labels = np.empty((SIDE, SIDE, 3), np.uint8)
    labels[:] = palette[0]
    labels[:, 24:] = palette[1]
    for color in [*palette[2:], *dice.choice(palette[2:], 6)]:
        y, x = dice.integers(0, SIDE - 24, 2)
        labels[y : y + dice.integers(14, 24), x : x + dice.integers(14, 24)] = color
    return labels


def write_pairs(root: Path, palette: np.ndarray, quality: int | None) -> None:
    for split, first, count in (("train", 0, 21), ("val", 50, 4)):
        for index in range(first, first + count):
            labels = facade(index, palette)
            noise = np.random.default_rng(index).integers(-30, 30, labels.shape)
            photo = (labels // 3 + 80 + noise).clip(0, 255).astype(np.uint8)
            both = Image.fromarray(np.concatenate([photo, labels], 1))
            (root / split).mkdir(parents=True, exist_ok=True)
            if quality is None:
                both.save(root / split / f"{index}.png")
            else:
                both.save(root / split / f"{index}.jpg", quality=quality)


def run_audit(root: Path, *overrides: str) -> list[dict[str, Any]]:
    overrides = ("data=facades", f"data.root={root}", f"data.load_size={SIDE}", f"data.crop_size={SIDE}", *overrides)
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        audit(compose("audit", [*overrides, "num_workers=0", f"output={root}/out"]))
    report = json.loads((root / "out" / "audit.json").read_text())
    return [finding for finding in report["findings"] if finding["check"] == "off the palette"]


@pytest.mark.slow
@pytest.mark.parametrize("quality", [None, 95, 80], ids=["PNG", "JPEG 95", "JPEG 80"])
def test_another_palette_is_reported_and_the_colours_that_are_there_are_offered(tmp_path, quality):
    write_pairs(tmp_path, PALETTES["facades"], quality)
    (warning,) = run_audit(tmp_path, f"data.source.b.palette={JET12}")
    message = warning["message"]
    assert "form 12 clusters, at (0, 48, 255)" in message
    assert "data.source.b.palette expects 12, (0, 0, 170), (0, 0, 255)" in message
    assert 30 < warning["figures"]["most_units"] < 50
    assert f"most are {warning['figures']['most_units']:.0f} RGB units off: wrong palette?" in message
    assert "JPEG" not in message
    (typed,) = shlex.split(warning["to_type"])
    again = run_audit(tmp_path, typed)
    assert [finding for finding in again if "JPEG compression" not in finding["message"]] == []
    assert run_audit(tmp_path, typed, "data.snap_labels=true") == []


@pytest.mark.slow
@pytest.mark.parametrize("quality", [None, 95, 80], ids=["PNG", "JPEG 95", "JPEG 80"])
def test_the_palette_of_the_facades_is_that_of_their_archive(tmp_path, quality):
    write_pairs(tmp_path, PALETTES["facades"], quality)
    assert run_audit(tmp_path, "data.snap_labels=true") == []


@pytest.mark.slow
def test_classes_that_a_palette_lacks_are_reported_and_added(tmp_path):
    write_pairs(tmp_path, PALETTES["facades"], 90)
    lacking = [color for color in PALETTES["facades"].tolist() if color != [255, 240, 0]]
    found = run_audit(tmp_path, f"data.source.b.palette={lacking}", "data.snap_labels=true")
    warning = found[0]
    assert (
        "colours of B that are not in the palette but as frequent as those of classes: (255, 24" in warning["message"]
    )
    (typed,) = shlex.split(warning["to_type"])
    assert run_audit(tmp_path, typed, "data.snap_labels=true") == []


@pytest.mark.parametrize("name", ["facades", "cityscapes"])
def test_clusters_of_compressed_labels_are_their_colours(name, tmp_path):
    palette = PALETTES[name]
    histograms = []
    for index in range(12):
        Image.fromarray(facade(index, palette)).save(tmp_path / "labels.jpg", quality=75)
        histograms.append(flat_colors(np.asarray(Image.open(tmp_path / "labels.jpg"))))
    found = clusters(histograms)
    assert max(distances(found, palette)) < NEAR
    centers = np.array([cluster.color for cluster in found])
    apart = np.linalg.norm(palette[:, None].astype(float) - centers, axis=-1).min(1)
    assert np.mean(apart < NEAR) > 0.8  # others are hidden
    assert sum(cluster.share for cluster in found) == pytest.approx(1, abs=0.02)
    assert list(found[0].color) == pytest.approx(palette[1].tolist(), abs=3)


def test_a_colour_of_a_single_image_is_no_class():
    palette = PALETTES["facades"]
    images = [facade(index, palette) for index in range(40)]
    images[7][:40] = (255, 255, 255)
    found = clusters([flat_colors(image) for image in images])
    assert (255, 255, 255) not in [cluster.color for cluster in found]
    assert len(found) == 12


def test_noise_has_no_clusters():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert clusters([flat_colors(image)]) == []
