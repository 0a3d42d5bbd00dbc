"""Side-by-side pairs, A|B in one file: the layout of the pix2pix archives."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pix2pix_lit.data.dataset import evenly_spread
from pix2pix_lit.data.halves import MOST, check_halves
from pix2pix_lit.data.pair import Pair, PairSource, SinglePhotosError
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import split_folder
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import decode_file
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.listing import find_images
from pix2pix_lit.images.strict import fit


class AlignedSource(PairSource):
    """Side-by-side A|B image files of even width, sorted by name::

        root
        ├── train
        │   ├── 1.jpg      A in the left half, B in the right half
        │   └── 2.jpg
        └── val
            └── 1.jpg

    Args:
        root: folder of the data set.
        split: name of a sub-folder, such as ``train`` or ``val``.
        a: image type of the left halves.
        b: image type of the right halves.

    Raises:
        UserError: if the folder is missing or holds no image.
    """

    def __init__(self, root: str | None, split: str, a: ImageType = RGB, b: ImageType = RGB) -> None:
        self.a, self.b = a, b
        with explained_by_layout(root):
            paths, self.left_out = find_images(split_folder(root, split))
        self._root = root
        self.paths = Paths(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        path = self.paths[index]
        decoded = decode_file(path)
        height, width = decoded.pixels.shape[:2]
        if width % 2:
            raise UserError(
                f"{path} is {width}x{height} pixels (width x height); expected an even width, with image A in the "
                f"left half and image B in the right half: fix or remove the file, or use data=folders if your "
                f"pairs are two files each"
            )
        halves = (decoded._replace(pixels=half) for half in np.split(decoded.pixels, 2, axis=1))
        a, b = (fit(half, image_type, str(path)) for half, image_type in zip(halves, (self.a, self.b), strict=True))
        return Pair(a, b, path.name)

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.paths[index],)

    def check(self) -> str | None:
        pairs = []
        for index in evenly_spread(len(self), MOST):
            with suppress(UserError):  # reported by training or by the audit
                pairs.append(self.pictures(self[index]))
        verdict = check_halves(pairs)
        if verdict == "single":
            with explained_by_layout(self._root):
                raise SinglePhotosError(
                    f"the files in {self.paths[0].parent} look like single photos: the left half of each continues in "
                    f"its right half, and the two have nothing else in common; expected A in the left half and B in "
                    f"the right: use data=derived to compute the input from single photos, and data=folders for pairs "
                    f"of two files"
                )
        if verdict == "unrelated":
            return (
                f"the halves of the files in {self.paths[0].parent} have no more edges in common than those of "
                f"different files: is A of each file in its left half, and B in its right one?"
            )
        return None

    @property
    def settings(self) -> dict[str, Any]:
        return {"layout": "aligned"}
