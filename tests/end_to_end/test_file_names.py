"""File names that are not UTF-8 or hold control characters, from the data set to the exported file."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from pix2pix_lit.data.audit.__main__ import audit
from pix2pix_lit.errors import UserError
from pix2pix_lit.export.__main__ import export
from pix2pix_lit.formats import format_named
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import RGB
from pix2pix_lit.networks import UNetGenerator
from pix2pix_lit.predict import predict
from pix2pix_lit.runs.configs import CONFIG_DIR
from pix2pix_lit.runs.quoting import quote
from pix2pix_lit.sweep.results import show
from pix2pix_lit.train import train

FOLDER = os.fsdecode(b"caf\xe9 \x1b[2J\n")
FILE = os.fsdecode(b"\xff\x1b[31m%d.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    try:
        (tmp_path / FOLDER).mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    for split in ("train", "val"):
        for number in range(2):
            pixels = np.random.default_rng(number + len(split)).integers(0, 256, (32, 64, 3), np.uint8)
            write_image(tmp_path / FOLDER / split / (FILE % number), pixels)
    return tmp_path / FOLDER


@pytest.fixture
def config():
    def compose_config(name, *overrides):
        with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
            return compose(name, [*overrides])

    return compose_config


def test_every_command_takes_any_file_name(root, config, compose_train, tmp_path):
    data = ["data=aligned", f"data.root={quote(str(root))}", "data.load_size=36", "data.crop_size=32"]
    (root / "train" / "broken\udce9.png").write_text("no image")
    with pytest.raises(UserError, match="1 error") as found:
        audit(config("audit", *data, f"output={quote(str(root / 'audit'))}", "num_workers=0"))
    assert str(found.value).isascii()
    assert r"broken\xe9.png" in (root / "audit" / "audit.html").read_text("utf-8")
    assert any(
        r"broken\xe9.png" in finding["message"]
        for finding in json.loads((root / "audit" / "audit.json").read_bytes())["findings"]
    )
    (root / "train" / "broken\udce9.png").unlink()

    training = compose_train("trainer.max_steps=1")
    training.data = config("train", *data, "data.num_workers=0").data
    train(training)
    os.rename(tmp_path / "run", root / "run")

    checkpoint = f"ckpt={quote(str(root / 'run' / 'checkpoints' / 'last.ckpt'))}"
    exported = root / "model.onnx"
    export(config("export", checkpoint, f"output={quote(str(exported))}", "count=1", "rounds=0"))
    page = root / "out" / "gallery" / "index.html"
    for ckpt in (checkpoint, f"ckpt={quote(str(exported))}"):
        output = f"output={quote(str(root / 'out'))}"
        inputs = f"input={quote(str(root / 'val'))}"
        predict(config("predict", ckpt, inputs, output, "half=left", "gallery=true", "num_workers=0"))
        assert {path.name for path in (root / "out").glob("*.png")} == {FILE % 0, FILE % 1}
        entries = page.read_text("utf-8").partition('id="entries">')[2].partition("</script")[0]
        assert json.loads(entries)["entries"][0]["name"] == r"\xff\x1b[31m0.png"

    show(config("sweep_results", f"folder={quote(str(root))}"))
    assert "| run | finished |" in (root / "results.md").read_text("utf-8")


@pytest.mark.parametrize("format", ["openvino", "torch_export", "torchscript", "safetensors"])
def test_every_format_is_written_to_and_read_from_any_folder(root, config, format):

    spec = {"width": 4, "depth": 3, "dropout_blocks": [0]}
    weights = {f"generator.{name}": value for name, value in UNetGenerator(**spec).state_dict().items()}
    stored = {"generator": {"_target_": "pix2pix_lit.networks.UNetGenerator", **spec}}
    stored |= {"input": RGB.as_dict(), "target": RGB.as_dict()}
    torch.save({"hyper_parameters": stored, "state_dict": weights}, root / "x")
    target = root / f"model{format_named(format).suffix}"
    arguments = [f"ckpt={quote(str(root / 'x'))}", f"output={quote(str(target))}", f"format={format}"]
    export(config("export", *arguments, "count=1", "rounds=0"))  # which reads it back
    assert target.is_file()
