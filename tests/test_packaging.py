"""The package works installed, without the checkout around it."""

import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The content of the wheel, as an installer would lay it down."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    name = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_wheel_ships_every_config_of_the_checkout(unpacked):
    there = {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
    there = {path for path in there if path.parts[1] != "local" or path.name == "example.yaml"}
    packed = unpacked / "pix2pix_lit"
    assert {path.relative_to(packed) for path in (packed / "configs").rglob("*.yaml")} == there
    for path in there:
        assert (packed / path).read_bytes() == (ROOT / path).read_bytes()


def test_wheel_ships_whatever_else_the_package_reads(unpacked):
    source = ROOT / "src/pix2pix_lit"
    others = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {Path("data/audit/page.css"), Path("py.typed")} <= others
    for path in others:
        assert (unpacked / "pix2pix_lit" / path).read_bytes() == (source / path).read_bytes()


def test_the_wheel_installs_one_program_that_finds_all_commands(unpacked, tmp_path):
    [entry_points] = unpacked.glob("*.dist-info/entry_points.txt")
    scripts = ConfigParser()
    scripts.read(entry_points)
    [(name, target)] = scripts["console_scripts"].items()
    module, _, function = target.partition(":")
    assert name == "pix2pix-lit"
    run = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {module} import {function}; {function}()"
    for arguments, expected in (([], "sweep-results"), (["export", "--help"], "pix2pix-lit export ckpt=FILE")):
        printed = subprocess.run(
            [sys.executable, "-I", "-c", run, str(unpacked), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert expected in printed


@pytest.mark.slow
def test_installed_command_composes_its_own_configs_in_another_folder(unpacked, tmp_path):
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); from pix2pix_lit.train import main; main()"
    printed = subprocess.run(
        [sys.executable, "-I", "-c", run, str(unpacked), "--cfg", "job", "--resolve", "output_dir=x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "_target_: pix2pix_lit.networks.UNetGenerator" in printed
    where = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from pix2pix_lit.runs.command import CONFIG_DIR; print(CONFIG_DIR)"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-c", where, str(unpacked)], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == str(unpacked / "pix2pix_lit" / "configs")
