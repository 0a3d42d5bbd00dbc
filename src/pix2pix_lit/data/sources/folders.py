"""Pairs in two folders, matched by file name."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2pix_lit.checks import FilePath, FreeText
from pix2pix_lit.data.pair import Pair, PairSource, read_pair
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.matching import by_key, compile_patterns, name_in, propose
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import members, split_folders
from pix2pix_lit.errors import UserError, first_few
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.listing import find_images

log = logging.getLogger(__name__)


class FoldersSource(PairSource):
    """Pairs of files with equal names in two folders, sorted by name::

        root
        ├── train
        │   ├── A
        │   │   └── x.jpg
        │   └── B
        │       └── x.png
        └── val
            ├── A
            └── B

    Sub-folders are included: by default partners have the same path within their folders, except for the suffix.
    Files without a partner are skipped and reported in the log; ``missing`` lists them.

    Args:
        root: folder of the data set.
        split: replaces ``{split}`` in the two folder names, or the name of a fraction or list.
        a: image type of the A images.
        b: image type of the B images.
        a_folder: folder of the A images within ``root``; ``"{split}A"`` for a trainA/trainB layout.
        b_folder: folder of the B images within ``root``; may be that of the A images.
        a_pattern: a regular expression for the path of an A file within its folder, with ``/`` between folders, without
            or with its suffix. Its groups capture the key that partners share, such as ``(.+)_A``.
        b_pattern: the same for the B files.
        fractions: the share of the pairs in each split; see ``splits.members``.
        split_seed: seed of the division by ``fractions``.
        lists: a text file within ``root`` for each split, with a key per line; see ``splits.members``.

    Raises:
        UserError: if a folder is missing or holds no image, if a pattern is malformed, if two files of a side have the
            same key, if a file is in two pairs, if no file has a partner, or if the split does not exist.
    """

    def __init__(
        self,
        root: str | None,
        split: str,
        a: ImageType = RGB,
        b: ImageType = RGB,
        a_folder: FilePath = "{split}/A",
        b_folder: FilePath = "{split}/B",
        a_pattern: FreeText = "(.+)",
        b_pattern: FreeText = "(.+)",
        fractions: Mapping[str, float] | None = None,
        split_seed: int = 0,
        lists: Mapping[str, str] | None = None,
    ) -> None:
        self.a, self.b = a, b
        patterns = compile_patterns(a_pattern, b_pattern)
        divided = fractions is not None or lists is not None
        with explained_by_layout(root):
            folders = split_folders(root, split, divided, a_folder=a_folder, b_folder=b_folder)
            found = [find_images(folder, recursive=True) for folder in folders]
            listings = [images.paths for images in found]
            self.left_out = found[0].left_out | found[1].left_out
            a_files, b_files = (
                by_key(*side) for side in zip(folders, listings, patterns, ("a_pattern", "b_pattern"), strict=True)
            )
            keys = sorted(a_files.keys() & b_files.keys())
            a_paths, b_paths = ([files[key] for key in keys] for files in (a_files, b_files))
            both = set(a_paths) & set(b_paths)
            if both:
                raise _unpaired(f"{min(both)} would be both A and B", folders, listings, patterns)
            if not keys:
                examples = " and ".join(paths[0].name for paths in listings)
                alone = f"no file in {folders[0]} has a partner in {folders[1]} (found for example {examples})"
                raise _unpaired(alone, folders, listings, patterns)
        everything = {*listings[0], *listings[1]}
        self.missing = Paths(sorted(everything - {*a_paths, *b_paths}))
        self._report(len(everything))
        chosen = members(keys, split, fractions, split_seed, lists, root)
        self.a_paths, self.b_paths = (Paths(paths[i] for i in chosen) for paths in (a_paths, b_paths))
        self._a_folder, self._split = folders[0], split

    def __len__(self) -> int:
        return len(self.a_paths)

    def __getitem__(self, index: int) -> Pair:
        a_path, b_path = self.files(index)
        return read_pair(a_path, b_path, self.a, self.b, a_path.relative_to(self._a_folder).as_posix())

    def files(self, index: int) -> tuple[Path, Path]:
        return self.a_paths[index], self.b_paths[index]

    @property
    def settings(self) -> dict[str, Any]:
        return {"layout": "folders", "split": self._split}

    def _report(self, count: int) -> None:
        """Log which of ``count`` files are skipped, if any."""
        if not self.missing:
            return
        most = "; that is most of them: check a_pattern and b_pattern" if 2 * len(self.missing) > count else ""
        log.warning(
            "%d of %d files have no partner and are left out%s: %s",
            len(self.missing),
            count,
            most,
            first_few(self.missing),
        )


def _unpaired(
    found: str, folders: Sequence[Path], listings: Sequence[Sequence[Path]], patterns: Sequence[re.Pattern[str]]
) -> UserError:
    """The error for names that do not match, with patterns that would."""
    names = [[name_in(folder, path) for path in paths] for folder, paths in zip(folders, listings, strict=True)]
    proposal = propose(*names)
    return UserError(
        f"{found}; expected names whose parts captured by data.source.a_pattern={patterns[0].pattern} and "
        f"data.source.b_pattern={patterns[1].pattern} are equal: "
        + (f"try {proposal}" if proposal else "rename the files, or pass other patterns")
    )
