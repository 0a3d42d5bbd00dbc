"""Pairs as one file each, A on the left and B on the right: the layout of the pix2pix archives."""

from pix2pix_lit.data.pair import Pair
from pix2pix_lit.data.sources.splits import split_folder
from pix2pix_lit.errors import UserError
from pix2pix_lit.images import list_images, read_image


class AlignedSource:
    """``root/<split>/*``: side-by-side A|B image files of even width, in the order of their names.

    Args:
        root: the data set's folder.
        split: its sub-folder, such as ``train`` or ``val``.

    Raises:
        UserError: if the folder is missing or holds no image.
    """

    def __init__(self, root: str | None, split: str) -> None:
        self.paths = list_images(split_folder(root, split))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        path = self.paths[index]
        image = read_image(path)
        height, width = image.shape[:2]
        if width % 2:
            raise UserError(
                f"{path} is {width}x{height} pixels (width x height); expected an even width, with image A in the "
                f"left half and image B in the right half: fix or remove the file, or use data=folders if your "
                f"pairs are two files each"
            )
        return Pair(image[:, : width // 2], image[:, width // 2 :], path.name)
