"""Training and validation splits by folders, fractions or lists."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pix2pix_lit.data.sources.matching import normal
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.files.text import read_text
from pix2pix_lit.images.listing import SUFFIXES


def split_folder(root: str | None, folder: str) -> Path:
    """The folder ``root/folder``, which must exist.

    Raises:
        UserError: naming the folders that exist instead.
    """
    if root is None:
        raise UserError("data.root is not set; expected the folder of the data set: pass data.root=/path/to/pairs")
    top = Path(os.path.expanduser(root))  # Path.expanduser raises for "~x" without a user x
    path = top / folder
    if path.is_dir():
        return path
    if not top.is_dir():
        found = "is a file" if top.exists() else "does not exist"
        raise UserError(f"{top} {found}; expected the pairs in {path}: check data.root")
    parent = next(folder for folder in path.parents if folder.is_dir())
    missing = path.relative_to(parent).parts[0]
    there = ", ".join(sorted(entry.name for entry in parent.iterdir() if entry.is_dir())) or "none"
    raise UserError(
        f"{parent} has no folder {missing!r} (its folders: {there}); expected the pairs in {path}: check "
        f"data.root, or name the folders with data.train_split and data.val_split"
    )


def split_folders(root: str | None, split: str, divided: bool, **folders: str) -> list[Path]:
    """The folders of a split within ``root``, with ``{split}`` in their names replaced.

    Args:
        root: folder of the data set.
        split: name of the split.
        divided: whether fractions or lists divide the files: all splits are then in the same folders.
        folders: option -> folder name.

    Raises:
        UserError: if one is missing, if a name contains ``{split}`` although the files are ``divided``, or if none does
            and they are not, which would train and validate on the same pairs.
    """
    given = " ".join(f"data.source.{key}={name}" for key, name in folders.items())
    if divided and any("{split}" in name for name in folders.values()):
        whole = " ".join(f"data.source.{key}={_without_split(name)}" for key, name in folders.items())
        raise UserError(
            f"{given} has a folder for each split, but data.source.fractions or lists divide the files of one; "
            f"expected names without {{split}}: pass for example {whole}"
        )
    if not divided and not any("{split}" in name for name in folders.values()):
        raise UserError(
            f"{given} is the same for all splits, so that training and validation would see the same pairs; expected "
            f"{{split}} in the name of a folder, or a division: pass for example "
            f"'data.source.fractions={{train:0.9,val:0.1}}'"
        )
    return [split_folder(root, name.replace("{split}", split)) for name in folders.values()]


def members(
    keys: Sequence[str],
    split: str,
    fractions: Mapping[str, float] | None = None,
    split_seed: int = 0,
    lists: Mapping[str, str] | None = None,
    root: str | Path | None = None,
) -> list[int]:
    """The indices of the ``keys`` that belong to ``split``, ascending; all of them without fractions and lists.

    With fractions, keys are sorted by their SHA-256 and divided in this order: the splits are the same on any machine
    and for any order of the keys, and most keys keep their split when others are added.

    Args:
        keys: unique names of the pairs; for files their path without suffix.
        split: name of the split.
        fractions: the share of each split, such as ``{"train": 0.9, "val": 0.1}``; the remainder is in no split.
        split_seed: seed of the division by ``fractions``.
        lists: a text file for each split with a key per line, with or without the suffix of an image file; blank lines
            and lines that start with ``#`` are ignored.
        root: folder of the lists, for relative names.

    Raises:
        UserError: for both fractions and lists, invalid fractions, an unknown split, lists that cannot be read, contain
            unknown keys or share a key, and for an empty split.
    """
    if fractions is not None and lists is not None:
        raise UserError("data.source.fractions and data.source.lists are both set; expected one of them, and null")
    if fractions is not None:
        return _by_fractions(keys, split, fractions, split_seed)
    if lists is not None:
        return _by_lists(keys, split, lists, Path(root or ".").expanduser())
    return list(range(len(keys)))


def _by_fractions(keys: Sequence[str], split: str, fractions: Mapping[str, float], seed: int) -> list[int]:
    _check_split(split, fractions, "fractions")
    shares = fractions.values()
    if not all(type(share) in (int, float) and share > 0 for share in shares) or sum(shares) > 1 + 1e-9:
        raise UserError(
            f"data.source.fractions is {fractions}; expected shares above 0 with a sum of at most 1, such as "
            f"{{train:0.9,val:0.1}}"
        )
    splits = sorted(fractions)
    before = splits[: splits.index(split)]
    first = _rounded(sum(fractions[name] for name in before), len(keys))
    last = _rounded(sum(fractions[name] for name in [*before, split]), len(keys))
    if first == last:
        raise UserError(
            f"data.source.fractions={fractions} leaves split {split!r} without any of {len(keys)} pairs; "
            f"expected at least one: give it a larger share"
        )
    ranks = [hashlib.sha256(f"{seed}:{key}".encode(errors="surrogateescape")).digest() for key in keys]
    return sorted(sorted(range(len(keys)), key=ranks.__getitem__)[first:last])


def _rounded(share: float, count: int) -> int:
    return min(count, int(share * count + 0.5))


def _by_lists(keys: Sequence[str], split: str, lists: Mapping[str, str], root: Path) -> list[int]:
    _check_split(split, lists, "lists")
    known = set(keys)  # in the form of ``matching.normal``
    listed: dict[str, str] = {}  # key -> split
    for name, file in lists.items():
        entries = _read_list(root / Path(file).expanduser())
        unknown = [entry for entry in entries if _key(entry, known) is None]
        if unknown:
            raise UserError(
                f"{root / file} lists {len(unknown)} of {len(entries)} names that no pair has, for example "
                f"{first_few(unknown, 3)}; expected names such as {first_few(keys, 3)}: correct the list, or add the "
                f"files"
            )
        for entry in entries:
            key = _key(entry, known)
            assert key is not None
            if listed.setdefault(key, name) != name:
                raise UserError(
                    f"{key} is in the lists of both {listed[key]!r} and {name!r}; expected each pair in one split, "
                    f"since validation pairs must not be trained on: remove it from one of the lists"
                )
    indices = [index for index, key in enumerate(keys) if listed.get(key) == split]
    if not indices:
        raise UserError(f"{root / lists[split]} lists no name; expected at least one pair for split {split!r}")
    return indices


def _read_list(path: Path) -> list[str]:
    text = read_text(path, "a text file with one name a line, for each pair: check data.source.lists")
    lines = [line.strip() for line in text.splitlines()]
    return [normal(str(PurePosixPath(line))) for line in lines if line and not line.startswith("#")]  # ./x is x


def _key(entry: str, known: set[str]) -> str | None:
    if entry in known:
        return entry
    path = PurePosixPath(entry)
    without = str(path.with_suffix(""))
    return without if path.suffix.lower() in SUFFIXES and without in known else None


def _check_split(split: str, splits: Mapping[str, object], option: str) -> None:
    if not isinstance(splits, Mapping) or not all(isinstance(name, str) for name in splits):
        raise UserError(f"data.source.{option} is {splits!r}; expected a value for each split, such as {{train:...}}")
    if split not in splits:
        raise UserError(
            f"data.source.{option} has no split {split!r} (its splits: {', '.join(splits) or 'none'}); expected the "
            f"splits of data.train_split and data.val_split: add it, or name others"
        )


def _without_split(name: str) -> str:
    return "/".join(part for part in (part.replace("{split}", "") for part in name.split("/")) if part) or "."
