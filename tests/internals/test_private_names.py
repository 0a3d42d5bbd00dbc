"""Private names of other libraries are used in ``internals`` alone, and the docs say how many there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pix2pix_lit

PACKAGE = Path(pix2pix_lit.__file__).parent
INTERNALS = PACKAGE / "internals"
DOCUMENTED = {"_asdict", "_exit", "_replace", "_thread"}
"""Of Python's standard library, with an underscore for other reasons."""

FILES = sorted(PACKAGE.rglob("*.py"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name.strip("_").isidentifier()


def defined_in(tree: ast.AST) -> Iterator[str]:
    """Names of functions, classes, variables and arguments, and attributes set on ``self`` or ``cls``."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def used_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and private names of attributes and imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                names = [name]
            case ast.Import(names=aliases):
                names = [part for alias in aliases for part in alias.name.split(".")]
            case ast.ImportFrom(module=module, names=aliases):
                names = [*(module or "").split("."), *(alias.name for alias in aliases)]
            case _:
                names = []
        yield from ((node.lineno, name) for name in names if is_private(name) and name not in DOCUMENTED)


def parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def own_names() -> set[str]:
    return {name for path in FILES for name in defined_in(parsed(path))}


def test_private_names_of_other_libraries_are_used_in_internals_alone(own_names):
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in FILES
        if path.parent != INTERNALS
        for line, name in used_in(parsed(path))
        if name not in own_names
    ]
    assert found == []


def test_the_docs_say_how_many_there_are():
    expected = {
        path.name: len({name for _, name in used_in(parsed(path))} - {*defined_in(parsed(path))})
        for path in INTERNALS.glob("[!_]*.py")
    }
    text = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    said = {name: int(count) for name, count in re.findall(r"\| `internals/(\w+\.py)` \| (\d+) \|", text)}
    assert said == expected


@pytest.mark.parametrize("path", sorted(INTERNALS.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_every_library_has_its_canary_tests(path):
    tests = (Path(__file__).parent / f"test_{path.name}").read_text("utf-8")
    functions = {node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)}
    aliases = {node.asname for node in ast.walk(parsed(path)) if isinstance(node, ast.alias) and node.asname}
    assert [name for name in functions | aliases if not is_private(name) and name not in tests] == []
