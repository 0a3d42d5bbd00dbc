"""Every command of the documentation does what it is there for, shortened and with small made data."""

import atexit
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from pix2pix_lit.__main__ import main
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.palettes import CITYSCAPES_LABELS
from pix2pix_lit.runs.command import CONFIG_DIR
from pix2pix_lit.runs.folder import run_folder

from . import documented

pytestmark = pytest.mark.skipif(not documented.FILES, reason="the documentation is in the checkout alone")

PACKAGES = {"data=huggingface": "datasets", "sweep=": "optuna", "clip.mp4": "av", "format=onnx": "onnxscript"}
"""What some commands need that is not installed for every test run."""


def collected() -> Iterator[pytest.ParameterSet]:
    """One parameter set for all commands that run alike; trainings that are part of others are composed alone."""
    alike: dict[documented.Shortened | str, list[documented.Documented]] = {}
    for command in documented.documented_commands():
        try:
            how: documented.Shortened | str | None = documented.shortened(command.text)
        except ValueError as error:
            how = (
                f"{command.place} documents `{command.text}`, and tests/end_to_end/documented.py does not know {error}"
            )
        if how is not None:
            alike.setdefault(how, []).append(command)
    for how, commands in alike.items():
        if isinstance(how, documented.Shortened) and any(is_part_of(how, other) for other in alike):
            how = how._replace(needs="nothing: its words are run among others")
        yield pytest.param(how, id=f"{commands[0].place} {commands[0].text}")


def is_part_of(how: documented.Shortened, other: documented.Shortened | str) -> bool:
    """Whether another training is run with all words of this one, and more."""
    return (
        isinstance(other, documented.Shortened)
        and how.program == other.program == "train"
        and not other.needs
        and not {"--help", "-m"} & {*how.arguments}  # which cannot be composed alone
        and {*how.arguments} < {*other.arguments}
    )


COMMANDS = list(collected())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with all that documented commands read, by the names that they give it."""
    folder = tmp_path_factory.mktemp("documented")
    id_of = {int(label.train_id): label.id for label in reversed(CITYSCAPES_LABELS) if label.id >= 0}
    rows = ["a,b,split"]
    hub: dict[str, list[str]] = {"train": [], "validation": []}
    for split, count in (("train", 3), ("val", 2)):
        source = StreetsSource(split=split, size=32, train_length=3, val_length=2, seed=0)
        for index in range(count):
            photo, labels, _ = source[index]
            name = f"{index}.png"
            write_image(folder / "cityscapes" / split / name, np.concatenate([photo, labels], 1))
            write_image(folder / "pairs" / split / "A" / name, photo)
            write_image(folder / "pairs" / split / "B" / name, labels)
            write_image(folder / "photos" / split / name, photo)
            frame = f"{split}/aachen/aachen_{index:06d}_000019"
            write_image(folder / "official" / "leftImg8bit" / f"{frame}_leftImg8bit.png", photo)
            ids = np.vectorize(id_of.__getitem__, otypes=[np.uint8])(source.label_ids(index))
            write_image(folder / "official" / "gtFine" / f"{frame}_gtFine_labelIds.png", ids[..., None])
            rows.append(f"pairs/{split}/A/{name},pairs/{split}/B/{name},{split}")
            part = {"train": "train", "val": "validation"}[split]
            for column, image in (("edges", labels), ("photo", photo)):
                write_image(folder / "hub" / part / f"{column}_{name}", image)
            hub[part].append(f'{{"edges_file_name": "edges_{name}", "photo_file_name": "photo_{name}"}}')
            write_image(folder / "folder" / f"{split}_{index}_labels.png", labels)
    for part, lines in hub.items():
        (folder / "hub" / part / "metadata.jsonl").write_text("\n".join(lines))
    (folder / "pairs.csv").write_text("\n".join(rows))
    (folder / "paths.txt").write_text("folder/val_0_labels.png\nphoto.png\n")
    shutil.copy(folder / "photos" / "val" / "0.png", folder / "photo.png")
    write_video(folder / "clip.mp4", photo)
    write_image(folder / "examples" / "labels" / "0.png", labels)
    (folder / "data").mkdir()
    for name in ("facades", "maps", "cityscapes"):
        (folder / "data" / name).symlink_to(folder / "cityscapes")
    with tarfile.open(folder / "facades.tar.gz", "w:gz") as archive:
        archive.add(folder / "cityscapes", "facades")
    return folder


def write_video(path: Path, frame: np.ndarray) -> None:
    with suppress(ImportError):
        import av

        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=2)
            stream.height, stream.width = frame.shape[:2]
            for packet in (*stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")), *stream.encode()):
                container.mux(packet)


@pytest.fixture(scope="module")
def trained(made) -> Path:
    """The same, with a run in ``run`` and its last checkpoint in both formats that commands name."""
    work = made / "work"
    how = documented.shortened("python train.py hydra.run.dir=RUN")
    assert how is not None
    work.mkdir()
    call(work, how)
    shutil.move(work / "run", made / "run")
    shutil.copy(made / "run" / "checkpoints" / "last.ckpt", made / "last.ckpt")
    how = documented.shortened("pix2pix-lit export ckpt=last.ckpt format=reference")
    assert how is not None
    call(made, how._replace(arguments=(*how.arguments, "output=latest_net_G.pth")))
    return made


@pytest.fixture
def work(trained, tmp_path) -> Path:
    """A folder to run a command in: what is there may be read, and a run gone on with."""
    for path in trained.iterdir():
        if path.name not in ("work", "run"):
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(trained / "run", tmp_path / "run")
    shutil.copytree(trained / "run", tmp_path / "outputs" / "train" / "2026-01-01_00-00-00")
    shutil.copytree(trained / "examples", tmp_path / "outputs" / "examples")
    return tmp_path


def call(folder: Path, how: documented.Shortened) -> None:
    """Run a command of the package in this process, as if it were typed in a folder; fails as it fails."""
    fed = subprocess.run(how.feed or "true", shell=True, cwd=folder, capture_output=True, check=True).stdout
    at_exit: list[Callable[[], object]] = []

    def register(function: Callable[..., object], *given: object) -> Callable[..., object]:
        if function.__module__.startswith("pix2pix_lit"):
            at_exit.append(partial(function, *given))
            return function
        return register_for_good(function, *given)

    register_for_good = atexit.register
    environment = dict(os.environ)
    config = HydraConfig.instance().cfg
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["pix2pix-lit", how.program, *how.arguments])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(fed)))
        patch.setattr(atexit, "register", register)
        run_folder.cache_clear()
        GlobalHydra.instance().clear()
        ending = None
        try:
            main()
        except SystemExit as end:
            ending = end.code
        finally:
            for function in reversed(at_exit):
                function()
            HydraConfig.instance().cfg = config  # or later tests would be jobs of a sweep
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            run_folder.cache_clear()
    assert ending in (None, 0), ending


def compose_alone(how: documented.Shortened) -> None:
    """See that there is all that a command overrides."""
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        compose(how.program.replace("-", "_"), list(how.arguments), return_hydra_config=True)


def has_option(script: Path, option: str) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), "--help"])
        patch.syspath_prepend(str(script.parent))
        patch.setattr(sys, "stdout", printed := io.StringIO())
        with pytest.raises(SystemExit):
            runpy.run_path(str(script), run_name="__main__")
    return option in printed.getvalue()


@pytest.mark.parametrize("how", COMMANDS)
@pytest.mark.filterwarnings("ignore")  # of Lightning, about tiny runs
def test_documented_command(how, work):
    assert isinstance(how, documented.Shortened), how
    for part, package in PACKAGES.items():
        if any(part in argument for argument in how.arguments):
            pytest.importorskip(package)
    if how.program == "tensorboard":
        program = pytest.importorskip("tensorboard.program")
        program.TensorBoard().configure(argv=("tensorboard", *how.arguments))
        assert list((work / how.arguments[-1]).rglob("events.out.tfevents*"))
    elif how.program.startswith("benchmarks/"):
        script = documented.ROOT / how.program
        assert [option for option in how.arguments if not has_option(script, option)] == []
    elif how.needs:
        compose_alone(how)
    else:
        call(work, how)
        results = [json.loads(path.read_text()) for path in work.glob("outputs/*/**/result.json")]
        assert [result["message"] for result in results if result["status"] == "failed"] == []  # within a sweep


def test_commands_are_found_wherever_they_are_documented():
    places = {command.place.partition(":")[0] for command in documented.documented_commands()}
    assert {"README.md", "docs/data.md", "docs/predict.md", "docs/scale.md", "docs/training.md"} <= places
    assert len(COMMANDS) > 50


def test_a_command_that_is_not_known_is_told_with_what_to_do():
    for text, message in {
        "pix2pix-lit brandnew x=1": "brandnew: say in TINY",
        "python train.py data.root=FOO_BAR": "the placeholder FOO_BAR: say in PLACEHOLDERS",
        "ruby train.rb": "the program ruby",
    }.items():
        with pytest.raises(ValueError, match=message):
            documented.shortened(text)
