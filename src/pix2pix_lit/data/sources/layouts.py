"""Recognise the layout of a folder, to suggest the right overrides in error messages."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

from pix2pix_lit.data.halves import MOST, check_halves
from pix2pix_lit.data.sources.matching import propose
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.listing import SUFFIXES

_TRAIN = ("train", "training")
_VAL = ("val", "validation", "valid", "test", "testing", "eval")
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_FRACTIONS = "'data.source.fractions={train:0.9,val:0.1}'"
_ENOUGH = 2000  # files per folder that are examined


class Layout(NamedTuple):
    """Layout of a data set.

    Attributes:
        description: in a few words.
        line: overrides that read it.
    """

    description: str
    line: str


@contextmanager
def explained_by_layout(root: str | None, aligned: str = "aligned") -> Iterator[None]:
    """Add the layout of the folder ``root``, if it is recognised, and the overrides for it to a ``UserError``.

    Args:
        root: value of ``data.root``.
        aligned: value of ``data=`` for A|B files: the name of a data set, if it must be that one.
    """
    try:
        yield
    except UserError as error:
        layout = recognise(Path(os.path.expanduser(root)), aligned) if root is not None else None
        if layout is None:
            raise
        message = f"{error}\nWhat is there looks like {layout.description}: type\n    {layout.line}"
        raise type(error)(message) from error


def recognise(root: Path, aligned: str = "aligned") -> Layout | None:
    """The layout of a folder, of its only sub-folder or of its parent; None if it is not recognised.

    The overrides work as returned: both splits exist, or fractions divide the files. Only names are examined, and some
    pixels of files that might be A|B pairs.
    """
    parts = {*_TRAIN, *_VAL, "leftImg8bit", "gtFine", "A", "B"}
    around = [root.parent] if root.name in parts else []
    if around and root.parent.name in parts:
        around.insert(0, root.parent.parent)
    with suppress(OSError):
        for folder in (*around, root, *_only_folder(root)):
            layout = _recognised(folder, aligned)
            if layout is not None:
                return layout
    return None


def _recognised(top: Path, aligned: str) -> Layout | None:
    folders = _folders(top)
    for part in ("leftImg8bit", "gtFine"):
        if not {part, f"{part}_trainvaltest"} & {*folders}:
            break
    else:
        return _layout("Cityscapes as it is distributed", "cityscapes_official", top)
    splits = _splits(folders)
    if splits is not None:
        return _in_split_folders(top, *splits, aligned)
    inner = _sides_with_splits(top, folders) or _sides_by_name(top, folders) or _flat_sides(top, folders)
    if inner is not None:
        return inner
    return _loose_images(top) or _table(top)


def _in_split_folders(top: Path, train: str, val: str, aligned: str) -> Layout | None:
    """``train/A``, or ``train/*``."""
    names = _split_names(train, val)
    within = [name for name in _folders(top / train) if name in _folders(top / val)]
    sides = _partners(top / train, within)
    if sides is not None:
        options = (
            []
            if sides == ("A", "B")
            else [f"data.source.{side}_folder={{split}}/{name}" for side, name in zip("ab", sides, strict=True)]
        )
        return _layout("two folders for each split", "folders", top, *options, *names)
    images = _images(top / train)
    if not images or not _images(top / val):
        return None
    patterns = _patterns_in_one_folder(images)
    if patterns is not None:
        return _layout(
            "both files of each pair in one folder", "folders", top, *_both_folders("{split}"), *patterns, *names
        )
    if _are_single(images):
        return _layout("single photos", "derived", top, *names)
    return _layout("A|B pairs side by side in one file", aligned, top, *names)


def _sides_with_splits(top: Path, folders: Sequence[str]) -> Layout | None:
    """``A/train``."""
    for sides in combinations(folders, 2):
        splits = _splits([name for name in _folders(top / sides[0]) if name in _folders(top / sides[1])])
        if splits is not None and _stems(top / sides[0] / splits[0]) & _stems(top / sides[1] / splits[0]):
            options = [f"data.source.{side}_folder={name}/{{split}}" for side, name in zip("ab", sides, strict=True)]
            return _layout(
                "a folder for each side, with the splits in it", "folders", top, *options, *_split_names(*splits)
            )
    return None


def _sides_by_name(top: Path, folders: Sequence[str]) -> Layout | None:
    """``trainA``."""
    found: dict[str, set[str]] = {}
    for name in folders:
        match = re.fullmatch(r"([A-Za-z]+)([_-]?[AB])", name)
        if match is not None:
            found.setdefault(match[1], set()).add(match[2])
    both = {split: sorted(ends) for split, ends in found.items() if len(ends) == 2}
    splits = _splits(list(both))
    if splits is None or both[splits[0]] != both[splits[1]]:
        return None
    options = [f"data.source.{side}_folder={{split}}{end}" for side, end in zip("ab", both[splits[0]], strict=True)]
    return _layout("a folder for each side of each split", "folders", top, *options, *_split_names(*splits))


def _flat_sides(top: Path, folders: Sequence[str]) -> Layout | None:
    """``A`` and ``B``, without splits."""
    sides = _partners(top, folders)
    if sides is not None:
        options = [f"data.source.{side}_folder={name}" for side, name in zip("ab", sides, strict=True)]
        return _layout("two folders without splits", "folders", top, *options, _FRACTIONS)
    return None


def _loose_images(top: Path) -> Layout | None:
    images = _images(top)
    patterns = _patterns_in_one_folder(images)
    if patterns is not None:
        return _layout(
            "both files of each pair in one folder", "folders", top, *_both_folders("."), *patterns, _FRACTIONS
        )
    if _are_single(images):
        return _layout("photos in one folder", "derived", top, "data.source.folder=.", _FRACTIONS)
    return None


def _table(top: Path) -> Layout | None:
    tables = [
        path for path in sorted(top.iterdir()) if path.suffix.lower() in _TABLES and not path.name.startswith(".")
    ]
    return _layout("a table that lists pairs", "manifest", tables[0]) if len(tables) == 1 else None


def _layout(description: str, data: str, root: Path, *options: str) -> Layout:
    words = [option if option.startswith("'") else shlex.quote(option) for option in (f"data.root={root}", *options)]
    # Neither shells nor readers need quotes around braces without a comma.
    words = [word[1:-1] if re.fullmatch(r"'[\w./={}-]+'", word) and "," not in word else word for word in words]
    return Layout(description, " ".join([f"data={data}", *words]))


def _folders(top: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(top) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _only_folder(top: Path) -> list[Path]:
    folders = _folders(top)
    return [top / folders[0]] if len(folders) == 1 and not _images(top) else []


def _images(folder: Path) -> list[Path]:
    """Some images directly in a folder."""
    try:
        entries = islice((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), _ENOUGH)
        return sorted(Path(entry.path) for entry in entries if os.path.splitext(entry.name)[1].lower() in SUFFIXES)
    except OSError:
        return []


def _stems(folder: Path) -> set[str]:
    """Paths of some images below a folder, without suffixes."""
    stems: set[str] = set()
    seen = 0
    for parent, _, names in os.walk(folder):
        inside = Path(parent).relative_to(folder)
        stems |= {str(inside / name.rpartition(".")[0]) for name in names if _is_image(name)}
        seen += len(names)
        if len(stems) > _ENOUGH or seen > 10 * _ENOUGH:
            break
    return stems


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def _splits(names: Sequence[str]) -> tuple[str, str] | None:
    by_lower = {name.lower(): name for name in names}
    train = next((by_lower[name] for name in _TRAIN if name in by_lower), None)
    val = next((by_lower[name] for name in _VAL if name in by_lower), None)
    return (train, val) if train is not None and val is not None else None


def _split_names(train: str, val: str) -> list[str]:
    return [f"data.train_split={train}"] * (train != "train") + [f"data.val_split={val}"] * (val != "val")


def _partners(top: Path, names: Sequence[str]) -> tuple[str, str] | None:
    """The two folders with the most file names in common."""
    best, most = None, 0
    stems = {name: _stems(top / name) for name in names[:20]}
    for pair in combinations(stems, 2):
        common = len(stems[pair[0]] & stems[pair[1]])
        if common > most and 2 * common >= min(len(stems[name]) for name in pair):
            best, most = pair, common
    return best


def _both_folders(name: str) -> list[str]:
    return [f"data.source.a_folder={name}", f"data.source.b_folder={name}"]


def _patterns_in_one_folder(images: Sequence[Path]) -> list[str] | None:
    """Patterns for A and B files in one folder: ``x_A.png`` and ``x_B.png``, or ``x.jpg`` and ``x.png``."""
    stems = Counter(path.stem for path in images)
    endings = Counter(path.suffix for path in images).most_common()
    if sum(count for count in stems.values() if count == 2) >= 0.9 * len(images) > 0 and len(endings) == 2:
        ends = sorted(ending for ending, _ in endings)
        return [f"data.source.{side}_pattern=(.+)\\{end}" for side, end in zip("ab", ends, strict=True)]
    proposal = propose(stems, stems)
    if proposal is None:
        return None
    a, b = (re.compile(pattern) for pattern in re.findall(r"_pattern='([^']*)'", proposal))
    keys = [{match[1] for stem in stems if (match := pattern.fullmatch(stem))} for pattern in (a, b)]
    return shlex.split(proposal) if 2 * len(keys[0] & keys[1]) >= 0.9 * len(stems) else None


def _are_single(images: Sequence[Path]) -> bool:
    """Whether images are single photos: of odd width, or with halves that are no pairs."""
    pairs = []
    odd = 0
    for path in list(images)[:: max(1, len(images) // MOST)][:MOST]:
        with suppress(UserError):
            picture = read_image(path)
            half = picture.shape[1] // 2
            odd += picture.shape[1] % 2
            pairs.append((picture[:, :half], picture[:, half : 2 * half]))
    return bool(pairs) and (2 * odd > len(pairs) or check_halves(pairs) == "single")
