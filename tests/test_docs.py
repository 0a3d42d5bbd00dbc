"""What the docs name exists: files, folders, links and configuration keys."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pix2pix_lit"
CONFIGS = ROOT / "configs"
DOCS = sorted(path for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks") for path in folder.glob("*.md"))
ONE_FILE_EACH = {"sources", "generators", "discriminators", "losses", "metrics", "formats", "callbacks"}
"""Folders to which a file is added without a word elsewhere."""

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

each_document = pytest.mark.parametrize("path", DOCS, ids=[path.name for path in DOCS])
CURRENT = [path for path in DOCS if path.name != "CHANGELOG.md"]  # which names former keys


def keys_of(values: dict[Any, Any], prefix: str) -> Iterator[str]:
    """Dotted names of all keys."""
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        yield name
        if isinstance(value, dict):
            yield from keys_of(value, name)


def packages_of(path: Path, text: str) -> list[str]:
    """Where the keys of a config file go in the composed config."""
    header = re.match(r"# @package (\S+)", text)
    if header is not None:
        return ["" if header[1] == "_global_" else header[1]]
    group = ".".join(path.relative_to(CONFIGS).parent.parts)
    return ["data.source.a", "data.source.b"] if group == "data.pixels" else [group]


@cache
def known_keys() -> set[str]:
    known: set[str] = set()
    for path in CONFIGS.rglob("*.yaml"):
        text = path.read_text("utf-8")
        values = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
        assert isinstance(values, dict), path
        for package in packages_of(path, text):
            known |= {package, *keys_of(values, package)}
    return known


def code_in(text: str) -> list[str]:
    """Inline code and code blocks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]


@each_document
def test_links_lead_to_files_that_exist(path):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", CURRENT, ids=[path.name for path in CURRENT])
def test_keys_that_are_named_are_keys_of_the_configs(path):
    groups = "data|model|trainer|callbacks"
    key = rf"(?<![\w./+~@-])((?:{groups})\.[a-z_][\w.]*)(?==)|^((?:{groups})\.[a-z_][\w.]*)$"
    named = {
        found[1] or found[2] for code in code_in(path.read_text("utf-8")) for found in re.finditer(key, code, re.M)
    }
    assert sorted(named - known_keys()) == []


def test_files_and_folders_in_the_architecture_exist():
    named = re.findall(r"[\w/]+(?:\.py|/(?=`))", " ".join(f"{code}`" for code in code_in(ARCHITECTURE)))
    places = [ROOT, PACKAGE, *(folder for folder in PACKAGE.rglob("*") if folder.is_dir())]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_the_architecture_has_every_folder_and_module_of_the_package():
    modules = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.parent.name not in ONE_FILE_EACH and "streets" not in path.parts and path.stem[:2] != "__"
    ]
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    missing = [path for path in modules if not re.search(rf"\b{path.name}`", ARCHITECTURE)]
    missing += [path for path in sorted(folders) if f"{path.name}/`" not in ARCHITECTURE]
    assert [str(path.relative_to(PACKAGE)) for path in missing] == []
