"""Help that is read from the configs, and answers that need no torch."""

import json
import re
import sys
from pathlib import Path

import pytest

from pix2pix_lit import __version__
from pix2pix_lit.errors import UserError
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.runs.command_help import help_text, usage

COMMANDS = {
    "train": "train",
    "predict": "predict",
    "export": "export.__main__",
    "prepare": "data.prepare",
    "audit": "data.audit.__main__",
    "preview": "data.preview",
    "examples": "data.examples",
    "sweep_results": "sweep.results",
}
"""The primary configs and the modules of their commands."""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_usage_examples_and_every_key_with_its_comment(name):
    shown = help_text(Path(CONFIG_DIR), name)
    keys = re.findall(r"^(\w+): .*#.*$", (Path(CONFIG_DIR) / f"{name}.yaml").read_text(), re.MULTILINE)
    assert keys or name == "sweep_results"
    for key in keys:
        assert re.search(rf"^  {key}: .*#", shown, re.MULTILINE), key
    assert "For example:\n  pix2pix-lit" in shown
    assert usage(Path(CONFIG_DIR), name) in shown
    assert "hydra:" not in shown.replace("${hydra:", "")
    assert ("\nGroups of keys" in shown) == (name in ("train", "prepare", "audit", "preview"))


def test_help_of_train_lists_every_group_with_its_options_and_shows_those_of_one():
    folder = Path(CONFIG_DIR)
    shown = help_text(folder, "train")
    groups = [path for path in folder.rglob("*") if path.is_dir() and path.parent.name != "experiment"]
    for group in (path for path in groups if path.relative_to(folder).parts[0] not in ("hydra", "local")):
        (line,) = re.findall(rf"^  {group.relative_to(folder)} +(.*)$", shown, re.MULTILINE)
        assert {path.stem for path in group.glob("*.yaml")} - {"base"} <= {*line.split(", ")}
    assert "  max_epochs: 200  #" in help_text(folder, "train", ["trainer"])
    assert "  batch_size: 1  #" in help_text(folder, "train", ["data=facades"])
    for wrong, message in (("trainr", "did you mean trainer?"), ("data=facade", "did you mean data=facades?")):
        with pytest.raises(UserError, match=re.escape(message)):
            help_text(folder, "train", [wrong])


ANSWERS = {
    "--help": "Translate images and videos",
    "--help trainer": "there is no group trainer",
    "--version": f"pix2pix-lit {__version__}",
    "--ckpt x": "unrecognized arguments: --ckpt.*expected: pix2pix-lit predict ckpt=FILE",
    "a.ckpt b c": "a.ckpt is not KEY=VALUE; expected: pix2pix-lit predict ckpt=FILE",
    "": "ckpt is not set; .*pix2pix-lit predict ckpt=FILE",
    "ckpt=x": "input is not set",
    "checkpoint=x": "there is no key checkpoint",
}
HEAVY = ("torch", "torchvision", "lightning", "albumentations", "tensorboard", "optuna", "numpy", "cv2", "imagecodecs")

PROGRAM = """
import contextlib, importlib, io, json, sys
commands, answers = json.loads(sys.argv[1])
modules = {name: importlib.import_module("pix2pix_lit." + module) for name, module in commands.items()}

def run(name, words):
    sys.argv = [name, *words.split()]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            modules[name].main()
        except SystemExit as error:
            return str(error)
    return output.getvalue()

answered = {words: run("predict", words) for words in answers}
answered |= {name: run(name, words) for name, words in {
    "train": "data=folders", "audit": "data=aligned", "preview": "data=manifest", "export": "", "sweep_results": "",
}.items()}
answered |= {f"{name} colour=1": run(name, "colour=1") for name in commands}
print(json.dumps([answered, [*sys.modules]]))
"""


@pytest.mark.slow
def test_usage_help_and_missing_keys_are_answered_without_torch(run_python, tmp_path):
    printed = run_python(tmp_path, "-c", PROGRAM, json.dumps([COMMANDS, [*ANSWERS]]), fresh=True)
    answered, modules = json.loads(printed.splitlines()[-1])
    for words, expected in ANSWERS.items():
        assert re.search(expected, answered[words]), (words, answered[words])
    assert [answered[name].split()[1] for name in ("train", "audit", "preview", "export", "sweep_results")] == [
        "data.root",
        "data.root",
        "data.root",
        "ckpt",
        "folder",
    ]
    for name in COMMANDS:
        assert answered[f"{name} colour=1"].startswith("error: there is no key colour"), name
    assert not {*HEAVY} & {*modules}
    assert not [*tmp_path.iterdir()]
    assert "torch" in sys.modules  # in this process, so that the names are right
