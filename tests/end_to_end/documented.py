"""Commands in the documentation, and what is substituted and appended so that each runs in a second or two."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / name
    for name in ("README.md", "examples/README.md", "benchmarks/README.md")
    if (ROOT / name).exists()  # which the installed package has not
] + sorted((ROOT / "docs").glob("*.md"))

PROGRAM = r"(?:(?:\.venv/bin/)?(?:python3?|pix2pix-lit)\s|tensorboard\s|torchrun\s|srun\s)"
COMMAND = re.compile(rf"^(?:[A-Z_]+=\S+\s+)*{PROGRAM}")

TINY = {
    "train": (
        "model.generator.width=4 model.generator.depth=5 model.discriminator.width=4 model.discriminator.layers=1 "
        "data.load_size=36 data.crop_size=32 data.num_workers=0 trainer.limit_val_batches=1 "
        "trainer.num_sanity_val_steps=0 trainer.accelerator=cpu trainer.devices=1 trainer.num_nodes=1 "
        "trainer.strategy=auto"
    ),
    "predict": "num_workers=0 device=cpu devices=1",
    "export": "rounds=0 count=1 calibration_count=1 device=cpu",
    "audit": "data.load_size=36 data.crop_size=32 num_workers=0",
    "preview": "data.load_size=36 data.crop_size=32 data.num_workers=0",
    "examples": "count=2 size=32",
    "evaluate": "data.load_size=36 data.crop_size=32 data.num_workers=0 device=cpu",
    "prepare": "",
    "sweep-results": "",
}
"""What is appended to each command: small networks and images, one step, one process."""

DEFAULTS = ("model=unet256",)
"""What changes nothing: commands that differ in these alone are run once."""

FOLDER_OF = {
    "folders": "pairs",
    "aligned": "cityscapes",
    "cityscapes": "cityscapes",
    "cityscapes_official": "official",
    "derived": "photos",
    "huggingface": "hub",
}
"""What stands for PATH: a made data set of each layout."""

PLACEHOLDERS = {
    "ckpt=RUN/checkpoints/last.ckpt": "ckpt=last.ckpt",  # and so alike with others
    "ckpt=RUN": "ckpt=run",
    "ckpt_path=RUN": "ckpt_path=run",
    "hydra.run.dir=RUN": "hydra.run.dir=run",
    "input=FILE_OR_FOLDER": "input=folder",
    "input=FOLDER": "input=folder",
    "output=FOLDER": "output=out",
    "folder=FOLDER": "folder=outputs",
    "FORMAT": "onnx",
    "...the same overrides...": "",
    "$DATA": "PATH",
}
"""What stands for all else that a reader has to fill in, in the folder that ``test_documented.py`` makes."""

COMPOSED_ONLY = {
    "data.source.name=OWNER/NAME": "a download",
    "prepare data=": "a download",
    "lpips=": "a download of a classifier's weights",
    "evaluate ": "a model of the same images, as in test_evaluate.py",
    "model=segmenter": "a network with other keys, as in training/test_segmenter.py",
    "trainer=slurm": "a cluster",
    ",slurm]": "a cluster",
}
"""Parts of commands that cannot run here, and what they need; their configs are composed all the same."""

NOT_OURS = (
    "-m venv",
    "-m pip",
    "-m pytest",  # this
    "-m http.server",
    "onnx_runtime.py",  # these three are run by test_examples.py
    "openvino_runtime.py",
    "aotinductor_load.py",
)


class Documented(NamedTuple):
    """One command.

    Attributes:
        place: file and line.
        text: as documented, on one line.
    """

    place: str
    text: str


def documented_commands() -> list[Documented]:
    """Every command in code blocks, table cells and running text, in their order."""
    return [command for path in FILES for command in _commands_of(path)]


def _commands_of(path: Path) -> Iterator[Documented]:
    text = path.read_text("utf-8")
    for match in re.finditer(r"```(\w*)\n(.*?)```|(?<!`)`([^`]+)`(?!`)", text, re.DOTALL):
        language, block, inline = match.groups()
        place = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        if inline is not None:
            lines = [re.sub(r"\s+", " ", inline)]
        else:
            lines = [] if language == "python" else re.sub(r"\\\n\s*", "", block).splitlines()
        for line in lines:
            line = re.sub(r"\s#\s.*", "", line).strip()  # what it is for
            yield from (
                Documented(place, part) for part in line.split(" && ") if COMMAND.match(part) or "| pix2pix-lit" in part
            )


class Shortened(NamedTuple):
    """How a documented command is run.

    Attributes:
        program: a command of the package, a script of benchmarks/, or tensorboard.
        arguments: of the program.
        feed: a shell command whose output it reads.
        needs: what there is not, if it is only composed.
    """

    program: str
    arguments: tuple[str, ...]
    feed: str
    needs: str


def shortened(text: str) -> Shortened | None:
    """How to run a documented command; None for what is not ours.

    Raises:
        ValueError: for a command, or a part of it, that is not known here.
    """
    if any(part in text for part in NOT_OURS):
        return None
    needs = next((needs for part, needs in COMPOSED_ONLY.items() if part in text), "")
    feed, _, command = text.rpartition(" | ")
    for placeholder, value in PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    command = re.sub(r"\[(--[^]]*)\]", r"\1", command)  # what may be left out
    words = shlex.split(re.sub(r"^(?:[A-Z_]+=\S+\s+)*", "", command))
    if words[0] in ("srun", "torchrun"):
        start = next(index for index, word in enumerate(words) if word.endswith(("pix2pix-lit", ".py")))
        words = words[start:] if words[start].endswith("pix2pix-lit") else ["python", *words[start:]]
    if words[0] == "tensorboard":
        return Shortened("tensorboard", tuple(_filled_in(words[1:])), feed, "")
    if not words[0].endswith(("python", "python3", "pix2pix-lit")):
        raise ValueError(f"the program {words[0]}")
    is_python = not words[0].endswith("pix2pix-lit")
    words = words[3:] if words[1:3] == ["-m", "pix2pix_lit"] else words[1:]
    if is_python and words and words[0].startswith("benchmarks/"):
        return Shortened(words[0], tuple(word for word in words[1:] if word.startswith("--")), feed, "")
    if not words or words[0] == "COMMAND":
        return Shortened("--help", (), feed, "")
    key = words[0].removesuffix(".py") if is_python else words[0]
    arguments = words[1:]
    if key not in TINY:
        raise ValueError(f"{key}: say in TINY what makes it quick")
    if not arguments and key != "train":  # the name of a command, which needs more than that
        return Shortened(key, ("--help",), feed, "")
    if arguments and arguments[0] in ("--help", "--cfg", "--version"):
        return Shortened(key, tuple(arguments), feed, "")
    appended = [*TINY[key].split(), *_more(key, arguments)]
    if "model=segmenter" in arguments:
        appended = [word for word in appended if not word.startswith("model.generator.depth")]
    replaced = {argument.partition("=")[0] for argument in appended}
    arguments = [
        argument
        for argument in _filled_in(arguments)
        if argument.partition("=")[0] not in replaced and argument not in DEFAULTS
    ]
    if "-m" in arguments:  # a job for the last of the listed values
        arguments = [re.sub(r"=.*,", "=", argument) for argument in arguments]
    return Shortened(key, (*arguments, *appended), feed, needs)


def _more(key: str, arguments: list[str]) -> list[str]:
    """What else makes a command quick, which depends on what it does."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    more = []
    is_drawn = given.get("data", "streets") == "streets" and "paper" not in given.get("experiment", "")
    if is_drawn and key in ("train", "audit", "preview"):
        more += ["data.source.train_length=4", "data.source.val_length=2"]
    if key == "train" and given.get("debug") != "profile":
        more += ["trainer.max_steps=1"]
    sweep = given.get("sweep", "")
    if "grid" in sweep:
        more += ["model/adversarial=lsgan", "model.reconstruction.weight=100"]  # one job instead of six
    if "optuna" in sweep:
        more += ["hydra.sweeper.n_trials=1", "hydra.sweeper.n_jobs=1"]
    if "joblib" in sweep:
        more += ["hydra.launcher.n_jobs=1"]
    return more


def _filled_in(arguments: list[str]) -> list[str]:
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    layout = "cityscapes" if "cityscapes" in given.get("experiment", "") else given.get("data", "")
    filled = [argument.replace("=PATH", f"={FOLDER_OF.get(layout, 'PATH')}") for argument in arguments]
    filled = ["outputs" if argument == "FOLDER" else argument for argument in filled]
    for argument in filled:
        unknown = re.search(r"(?<![\w/])[A-Z][A-Z_]{2,}(?![\w/])", argument)
        if unknown and "OWNER/NAME" not in argument:
            raise ValueError(f"the placeholder {unknown[0]}: say in PLACEHOLDERS or FOLDER_OF what stands for it")
    return filled
