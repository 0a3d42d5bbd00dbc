"""Imports run one way: which room may know which, and nothing lies outside of the rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pix2pix_lit

PACKAGE = Path(pix2pix_lit.__file__).parent
GROUND = {"errors", "checks", "files", "memory", "distributed", "internals"}
"""What every room may import; it imports nothing but itself."""

COMMANDS = {"__init__", "__main__", "train", "predict", "evaluate"}
"""What no room may import."""

MAY_IMPORT = {
    "images": set(),
    "runs": set(),
    "networks": set(),
    "metrics": {"images", "networks"},
    "losses": {"networks"},
    "checkpoints": {"images", "networks", "runs"},
    "data": {"images", "runs"},
    "formats": {"checkpoints", "images", "networks"},
    "inference": {"checkpoints", "formats", "images", "networks", "runs"},
    "export": {"checkpoints", "data", "formats", "images", "inference", "metrics", "networks", "runs"},
    "evaluation": {"data", "images", "inference", "metrics", "runs"},
    "sweep": {"metrics", "runs"},
    "training": {"checkpoints", "data", "images", "losses", "metrics", "networks", "runs"},
    "callbacks": {"data", "images", "inference", "metrics", "runs", "sweep"},
}
"""Rooms, and those below each of them that it knows."""


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import of the package in a file, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            package, _, rest = node.module.partition(".")
            if package == "pix2pix_lit":
                for name in [rest] if rest else [alias.name for alias in node.names]:
                    yield node.lineno, name.partition(".")[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("pix2pix_lit."):
                    yield node.lineno, alias.name.split(".")[1]


def modules_of(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py")) if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]


@pytest.mark.parametrize("room", sorted({*GROUND, *MAY_IMPORT}))
def test_a_room_imports_only_what_is_below_it(room):
    allowed = GROUND | ({room} | MAY_IMPORT[room] if room in MAY_IMPORT else set()) | {"__version__"}
    found = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for path in modules_of(room)
        for line, name in imports_of(path)
        if name not in allowed
    ]
    assert found == []


def test_the_rooms_make_no_circle():
    left = dict(MAY_IMPORT)
    while free := [room for room, below in left.items() if not below & left.keys()]:
        for room in free:
            del left[room]
    assert left == {}


def test_the_top_level_holds_rooms_ground_and_commands_alone():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found == GROUND | COMMANDS | MAY_IMPORT.keys()
