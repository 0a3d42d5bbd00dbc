"""Match files by name, with regular expressions for the part that partners share."""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pix2pix_lit.errors import UserError

_SEPARATORS = re.compile(r"[^0-9A-Za-z]+")
_AFFIXES = 8


def compile_patterns(a_pattern: str, b_pattern: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compile the two patterns, which must have the same named groups, or the same number of groups without names.

    Raises:
        UserError: if one is malformed or has no group, or if their groups differ.
    """
    a, b = _compile("a_pattern", a_pattern), _compile("b_pattern", b_pattern)
    if a.groupindex.keys() != b.groupindex.keys() or (not a.groupindex and a.groups != b.groups):
        raise UserError(
            f"data.source.a_pattern={a_pattern} and data.source.b_pattern={b_pattern} have different groups; expected "
            f"the same number of groups, or groups of the same names: partners are files with equal groups"
        )
    return a, b


def by_key(folder: Path, paths: Iterable[Path], pattern: re.Pattern[str], option: str = "a_pattern") -> dict[str, Path]:
    """Paths in ``folder`` by the key that the pattern captures, without those that it does not match.

    It must match the full path within the folder, with ``/`` between folders, without or with the suffix. The key is
    the text of the group, or of all groups joined by ``/``; of named groups only, in the order of their names, which
    allows another order in A than in B. Names are normalised: see ``normal``.

    Raises:
        UserError: if two files have the same key; ``option`` is the name of the pattern.
    """
    groups: Sequence[str | int] = sorted(pattern.groupindex) or range(1, pattern.groups + 1)
    files: dict[str, Path] = {}
    for path in paths:
        match = pattern.fullmatch(name_in(folder, path)) or pattern.fullmatch(
            normal(path.relative_to(folder).as_posix())
        )
        if match is None:
            continue
        key = "/".join(match[group] or "" for group in groups)
        if key in files:
            raise UserError(
                f"{files[key]} and {path} have the same key {key!r} by the pattern {pattern.pattern}, so their partner "
                f"is ambiguous; expected one file a key: {_ways_out(files[key], path, option)}"
            )
        files[key] = path
    return files


def name_in(folder: Path, path: Path) -> str:
    """The path within the folder, with ``/`` between folders and without its suffix."""
    return normal(path.relative_to(folder).with_suffix("").as_posix())


def normal(name: str) -> str:
    """The name in Unicode's composed form (NFC); macOS, and archives made there, store accents as separate
    characters."""
    return unicodedata.normalize("NFC", name)


def _ways_out(first: Path, second: Path, option: str) -> str:
    """What to do about two files with the same key."""
    if normal(first.name) == normal(second.name) and first.parent == second.parent:
        return "their names look the same, but one has its accents as separate characters: remove one"
    if first.suffix == second.suffix:
        return "remove or rename one, or pass another pattern"
    overrides = [shlex.quote(f"data.source.{option}=(.+)\\{path.suffix}") for path in (first, second)]
    return (
        f"remove or rename one, or use only the files of one suffix, with {overrides[0]} or {overrides[1]}; if A and B "
        f"are in one folder, use a_pattern for the one and b_pattern for the other"
    )


def propose(a_names: Iterable[str], b_names: Iterable[str]) -> str | None:
    """Patterns that match most of the files by ignoring a common prefix or suffix of all A and of all B names.

    Returns:
        Overrides to type, or None if no such pair of patterns matches anything.
    """
    a_names, b_names = set(a_names), set(b_names)
    a_keys, b_keys = ({affix: _stripped(names, *affix) for affix in _affixes(names)} for names in (a_names, b_names))
    best, most = None, 0
    for a_affix, keys in a_keys.items():
        for b_affix, others in b_keys.items():
            # Equal affixes would pair files of the same name, which has failed already.
            count = len(keys & others) if a_affix != b_affix else 0
            if count > most:
                best, most = (a_affix, b_affix), count
    if best is None:
        return None
    a_pattern, b_pattern = (f"{re.escape(head)}(.+){re.escape(tail)}" for head, tail in best)
    return f"data.source.a_pattern='{a_pattern}' data.source.b_pattern='{b_pattern}'"


def _compile(option: str, pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(normal(pattern))
    except re.error as error:
        raise UserError(
            f"data.source.{option}={pattern} is no regular expression ({error}); expected for example (.+)_A"
        ) from error
    if not compiled.groups:
        raise UserError(
            f"data.source.{option}={pattern} has no group; expected one around the part that partners share, such as "
            f"(.+)_A"
        )
    return compiled


def _affixes(names: set[str]) -> list[tuple[str, str]]:
    """The most common prefixes and suffixes of the names, as (prefix, suffix) with one of them empty."""
    heads: Counter[str] = Counter()
    tails: Counter[str] = Counter()
    for name in sorted(names):
        for separator in _SEPARATORS.finditer(name):
            heads[name[: separator.end()]] += 1
            tails[name[separator.start() :]] += 1
    return [("", ""), *(("", tail) for tail in _commonest(tails)), *((head, "") for head in _commonest(heads))]


def _commonest(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda affix: (-counts[affix], len(affix)))[:_AFFIXES]


def _stripped(names: set[str], head: str, tail: str) -> set[str]:
    keys = {
        name.removeprefix(head).removesuffix(tail) for name in names if name.startswith(head) and name.endswith(tail)
    }
    return keys - {""}
