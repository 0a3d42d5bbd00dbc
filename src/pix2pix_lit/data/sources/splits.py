"""Splits on disk: which folder holds the training pairs, which the validation pairs."""

import os
from pathlib import Path

from pix2pix_lit.errors import UserError


def split_folder(root: str | None, folder: str) -> Path:
    """The folder ``root/folder``, which must exist.

    Raises:
        UserError: naming what is there instead.
    """
    if root is None:
        raise UserError("data.root is not set; expected the folder of the data set: pass data.root=/path/to/pairs")
    top = Path(os.path.expanduser(root))  # Path.expanduser raises for "~x" where there is no user x
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
