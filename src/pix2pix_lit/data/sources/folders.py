"""Pairs as two folders of files that share their stems."""

import logging
from pathlib import Path
from typing import Any

from pix2pix_lit.data.pair import Pair, PairSource, read_pair
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import split_folder
from pix2pix_lit.errors import UserError
from pix2pix_lit.image_type import RGB, ImageType
from pix2pix_lit.images import list_images

log = logging.getLogger(__name__)


class FoldersSource(PairSource):
    """``root/<split>/A/x.jpg`` with ``root/<split>/B/x.png``: matched by stem, whatever the suffixes.

    Files without a partner are left out and reported in the log; ``missing`` lists them.

    Args:
        root: the data set's folder.
        split: put in place of ``{split}`` in the two folder names.
        a: what the A images are.
        b: what the B images are.
        a_folder: the folder of the A images within ``root``; ``"{split}A"`` for a trainA/trainB layout.
        b_folder: the folder of the B images within ``root``.

    Raises:
        UserError: if a folder is missing or holds no image, if two files of a folder share a stem, or if no file
            has a partner.
    """

    def __init__(
        self,
        root: str | None,
        split: str,
        a: ImageType = RGB,
        b: ImageType = RGB,
        a_folder: str = "{split}/A",
        b_folder: str = "{split}/B",
    ) -> None:
        self.a, self.b = a, b
        folders = [split_folder(root, folder.format(split=split)) for folder in (a_folder, b_folder)]
        a_files, b_files = (_by_stem(folder) for folder in folders)
        stems = a_files.keys() & b_files.keys()
        self.a_paths = Paths(a_files[stem] for stem in sorted(stems))
        self.b_paths = Paths(b_files[stem] for stem in sorted(stems))
        self.missing = [path for files in (a_files, b_files) for stem, path in files.items() if stem not in stems]
        if not stems:
            raise UserError(
                f"no file in {folders[0]} has a partner of the same stem in {folders[1]} (found for example "
                f"{_first(a_files)} and {_first(b_files)}); expected names such as x.jpg and x.png: rename the "
                f"files"
            )
        if self.missing:
            shown = ", ".join(str(path) for path in self.missing[:5])
            log.warning(
                "%d of %d files have no partner of the same stem and are left out: %s%s",
                len(self.missing),
                len(a_files) + len(b_files),
                shown,
                ", ..." if len(self.missing) > 5 else "",
            )

    def __len__(self) -> int:
        return len(self.a_paths)

    def __getitem__(self, index: int) -> Pair:
        return read_pair(self.a_paths[index], self.b_paths[index], self.a, self.b)

    def files(self, index: int) -> tuple[Path, ...]:
        return self.a_paths[index], self.b_paths[index]

    @property
    def settings(self) -> dict[str, Any]:
        return {"layout": "folders"}


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in list_images(folder):
        if path.stem in files:
            raise UserError(
                f"{files[path.stem]} and {path} share a stem, so their partner is ambiguous; expected one file a "
                f"stem in {folder}: remove or rename one"
            )
        files[path.stem] = path
    return files


def _first(files: dict[str, Path]) -> str:
    return next(iter(files.values())).name
