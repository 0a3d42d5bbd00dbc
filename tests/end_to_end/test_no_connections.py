"""No command opens a network connection or writes to the home folder."""

import pytest

SCRIPT = """
import sys

def report(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        print("connects:", arguments, flush=True)

sys.addaudithook(report)  # sees what threads and imported packages do, too

from hydra import compose, initialize_config_dir
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.export.__main__ import export
from pix2pix_lit.predict import predict
from pix2pix_lit.train import train

def run(command, name, *overrides):
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose(name, overrides)
    command(config)

run(train, "train", *sys.argv[1:], "trainer.max_steps=2", "output_dir=run")
run(predict, "predict", "ckpt=run/checkpoints/last.ckpt", "input=run/samples", "output=out")
run(export, "export", "ckpt=run/checkpoints/last.ckpt", "format=openvino", "output=m.xml", "rounds=0", "count=1")
import nncf
run(predict, "predict", "ckpt=m.xml", "input=run/samples", "output=out_too")
print("all done")
"""


def test_train_predict_and_openvino_open_no_connection(tmp_path, monkeypatch, run_python, tiny_overrides):
    for module in ("openvino", "nncf"):
        pytest.importorskip(module)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CI", raising=False)  # which keeps some of them silent
    output = run_python(tmp_path, "-c", SCRIPT, *tiny_overrides, fresh=True)
    assert "connects:" not in output, output
    assert output.endswith("all done\n")
    assert list(home.iterdir()) == []
