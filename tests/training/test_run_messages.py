"""What training says when it starts and when it ends."""

import logging
import shlex
import sys
import warnings

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pix2pix_lit.runs.quoting import quote
from pix2pix_lit.train import train
from pix2pix_lit.training import run_messages
from pix2pix_lit.training.run_messages import log_how_to_resume


@pytest.fixture
def said(caplog):
    """All that was logged so far."""
    caplog.set_level(logging.INFO)
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def test_a_run_logs_its_network_its_data_and_its_result(compose_train, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(compose_train("trainer.max_epochs=2"))
    for line in (
        "data: 8 training and 2 validation pairs, 32x32 pixels, BtoA: colours of classes of 3 channels of uint8 -> "
        "images of 3 channels of uint8",
        "device: CPU with 1 thread, precision 32-true",
        "steps: 8 in 2 epochs of 4",
        "newest grid: run/samples/step_0000008.png",
        "last checkpoint: run/checkpoints/last.ckpt",
        "best checkpoint: run/checkpoints/best.ckpt",
    ):
        assert line in said()
    assert "model: generator UNetGenerator with " in said()
    assert "Done: 2 epochs, 8 steps; val/l1 0." in said()
    commands = said().partition("Next, type:\n")[2].splitlines()[:3]
    assert [shlex.split(command)[-3:] for command in commands[:2]] == [
        [*shlex.split(commands[0])[-3:-2], "output=outputs/examples", "size=32"],
        ["ckpt=run/checkpoints/last.ckpt", "input=outputs/examples/labels", "output=outputs/translated"],
    ]
    assert shlex.split(commands[2])[-2:] == ["--logdir", "run"]


def test_parts_that_do_not_learn_are_reported(compose_train, said):
    train(compose_train("trainer.max_steps=1", "model.adversarial.weight=0", 'model.freeze=["generator.encoder.*"]'))
    assert " of them frozen; no discriminator" in said()


def test_nothing_is_logged_that_needs_no_attention(compose_train, caplog, capfd):
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "lightning.pytorch")  # which predict makes quieter for the process that it is in
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(compose_train("trainer.max_epochs=2", "model.ema_decay=0.9"))
    of_lightning = [record.getMessage() for record in caplog.records if record.name.startswith("lightning")]
    assert len(of_lightning) == 1
    assert of_lightning[0].startswith("The learning rate schedule is")  # ours, for the first of several processes
    assert not [str(warning.message) for warning in caught if "lightning" in warning.filename]
    printed = "".join(capfd.readouterr())
    for noise in ("FLOPs", "Modules in train mode", "TPU", "GPU available", "Tip:", "stopped:"):
        assert noise not in printed


@pytest.mark.parametrize("name", ["run", "my runs/it's (1), a=b", "caf\u00e9"])
def test_the_line_to_resume_means_the_same_command_in_that_folder(said, tmp_path, monkeypatch, name):
    folder = tmp_path / name
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    root = "/data/it's, here (1)"
    monkeypatch.chdir(tmp_path)
    typed = [f"data.root={quote(root)}", "model.freeze=['a b']", "ckpt_path=last", "hydra.run.dir=elsewhere"]
    monkeypatch.setattr(sys, "argv", ["train.py", *typed])
    log_how_to_resume(folder)
    said_first, command = said().splitlines()
    assert said_first == "To resume this run, type:"
    arguments = [argument for argument in shlex.split(command) if "=" in argument]
    parsed = OverridesParser.create().parse_overrides(arguments)
    values = {override.key_or_group: override.value() for override in parsed}
    assert values == {"data.root": root, "model.freeze": ["a b"], "hydra.run.dir": name}


def test_without_a_checkpoint_the_run_can_only_start_again(said, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py"])
    log_how_to_resume(tmp_path)
    assert said().startswith("Nothing was saved. To start this run again, type:\n")


def test_commands_name_the_python_that_has_this_package(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / ".venv" / "bin"
    inside.mkdir(parents=True)
    for name in ("python", "tensorboard"):
        (inside / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(inside / "python"))
    monkeypatch.setenv("PATH", str(inside))
    assert run_messages._python() == "python"
    monkeypatch.setenv("PATH", "/usr/bin")
    assert run_messages._python() == ".venv/bin/python"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run_messages._python() == str(inside / "python")
