"""Pairs from single photos: the input is computed from the target."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from pix2pix_lit.checks import FilePath, check_choice, check_integer, check_number
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.resized import resize
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.matching import name_in
from pix2pix_lit.data.sources.paths import Paths
from pix2pix_lit.data.sources.splits import members, split_folders
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.listing import find_images


@dataclass(frozen=True)
class Derivation(ABC):
    """Computes an input image from a photo; a pure function of the photo, its index and the fields."""

    @abstractmethod
    def input_type(self, photos: ImageType) -> ImageType:
        """Image type of the result for photos of this type; ``UserError`` if they cannot be used."""

    @abstractmethod
    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        """The input for the photo at an index: (H, W, channels) of type ``photos`` -> the same of ``input_type``."""


@dataclass(frozen=True)
class Edges(Derivation):
    """Edges of the Canny detector, black on white, computed from 8-bit luma.

    Args:
        low: lower threshold of the hysteresis, for pixels connected to an edge.
        high: upper threshold of the hysteresis; both for the gradient of the Sobel filter on 8-bit values.
        sigma: of the preceding Gaussian blur, in pixels; 0 for none.
    """

    low: float = 100
    high: float = 200
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise UserError(f"edges have low={self.low} high={self.high}; expected 0 <= low <= high")
        check_number("data.source.derive.sigma", self.sigma)

    def input_type(self, photos: ImageType) -> ImageType:
        return ImageType(channels=1, background=(255,))  # transparent drawings are drawings on white

    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        luma = cv2.cvtColor(photos.picture(photo), cv2.COLOR_RGB2GRAY)
        if self.sigma > 0:
            luma = cv2.GaussianBlur(luma, (0, 0), self.sigma)
        return 255 - cv2.Canny(luma, self.low, self.high)[..., None]


@dataclass(frozen=True)
class Grayscale(Derivation):
    """The photo's luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601): for colourisation."""

    def input_type(self, photos: ImageType) -> ImageType:
        if photos.channels != 3:
            raise UserError(f"grayscale needs photos of 3 channels, red, green and blue, but has {photos.channels}")
        return replace(photos, channels=1, background=None)

    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None]


@dataclass(frozen=True)
class Downsampled(Derivation):
    """The photo, downsampled by area averaging and upsampled to its size (bicubic): for super-resolution.

    Args:
        factor: of the downsampling, for both sides.
    """

    factor: float = 4

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise UserError(f"downsampled has factor={self.factor}; expected more than 1, such as 4")

    def input_type(self, photos: ImageType) -> ImageType:
        return photos

    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        height, width = photo.shape[:2]
        small = resize(photo, max(1, round(height / self.factor)), max(1, round(width / self.factor)), "opencv")
        return resize(small, height, width, "opencv")


@dataclass(frozen=True)
class Masked(Derivation):
    """The photo with a rectangular hole, the same in every epoch: for inpainting.

    Args:
        share: of the photo's area that the hole covers.
        place: ``center``, with the photo's proportions, or ``random``, where the hole may be up to twice as wide or as
            high as that.
        color: of the hole, a value for each channel; None for the highest value, which is white.
        seed: random places are a function of (seed, index).
    """

    share: float = 0.25
    place: Literal["center", "random"] = "random"
    color: Sequence[float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"masked has share={self.share}; expected a share between 0 and 1, such as 0.25")
        check_choice("data.source.derive.place", self.place, ("center", "random"))
        check_integer("data.source.derive.seed", self.seed)

    def input_type(self, photos: ImageType) -> ImageType:
        if self.color is not None:
            whole = np.dtype(photos.dtype).kind == "u"
            highest = np.iinfo(photos.dtype).max if whole else np.inf
            lowest = 0 if whole else -np.inf
            if len(self.color) != photos.channels or not all(lowest <= value <= highest for value in self.color):
                raise UserError(
                    f"masked has color={list(self.color)}; expected {photos.channels} values, one a channel, that "
                    f"{photos.dtype} can hold"
                )
        return photos

    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, index])
        stretch = 1.0
        if self.place == "random":  # limited so that the hole fits into the photo
            most = np.log(min(2, 1 / self.share))
            stretch = float(np.exp(rng.uniform(-most, most)))
        height, width = photo.shape[:2]
        hole = (round(height * (self.share * stretch) ** 0.5), round(width * (self.share / stretch) ** 0.5))
        room = (height - hole[0], width - hole[1])
        top, left = (side // 2 for side in room) if self.place == "center" else (rng.integers(s + 1) for s in room)
        masked = photo.copy()
        masked[top : top + hole[0], left : left + hole[1]] = photos.limits[1] if self.color is None else self.color
        return masked


@dataclass(frozen=True)
class Noise(Derivation):
    """The photo with Gaussian noise, the same in every epoch; integers are clipped to their range.

    Args:
        sigma: standard deviation as a share of the range of values; 0.1 is 25.5 of 255.
        seed: the noise is a function of (seed, index).
    """

    sigma: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("data.source.derive.sigma", self.sigma)
        check_integer("data.source.derive.seed", self.seed)

    def input_type(self, photos: ImageType) -> ImageType:
        return photos

    def __call__(self, photo: np.ndarray, photos: ImageType, index: int) -> np.ndarray:
        low, high = photos.limits
        noise = np.random.default_rng([self.seed, index]).standard_normal(photo.shape, np.float32)
        noisy = photo + np.float32(self.sigma * (high - low)) * noise
        if np.issubdtype(photo.dtype, np.integer):
            noisy = noisy.round().clip(0, np.iinfo(photo.dtype).max)
        return noisy.astype(photo.dtype)


class DerivedSource(PairSource):
    """Photos (b) and the inputs computed from them (a), sorted by name; sub-folders are included::

        root
        ├── train
        │   ├── 1.jpg
        │   └── 2.jpg
        └── val
            └── 1.jpg

    Args:
        root: folder of the data set.
        split: replaces ``{split}`` in the folder name, or the name of a fraction or list.
        derive: computes the input from a photo.
        b: image type of the photos; of kind ``continuous``.
        folder: folder of the photos within ``root``.
        fractions: the share of the photos in each split; see ``splits.members``.
        split_seed: seed of the division by ``fractions``.
        lists: a text file within ``root`` for each split, with a name per line; see ``splits.members``.

    Raises:
        UserError: if the folder is missing or holds no image, if the split does not exist, or if ``derive`` cannot use
            photos of this type.
    """

    def __init__(
        self,
        root: str | None,
        split: str,
        derive: Derivation,
        b: ImageType = RGB,
        folder: FilePath = "{split}",
        fractions: Mapping[str, float] | None = None,
        split_seed: int = 0,
        lists: Mapping[str, str] | None = None,
    ) -> None:
        if b.is_labels:
            raise UserError(f"data.source.b.kind is {b.kind}, but inputs are computed from photos; expected continuous")
        self.a, self.b = derive.input_type(b), b
        self.derive = derive
        divided = fractions is not None or lists is not None
        with explained_by_layout(root):
            photos = self._photos(root, split, divided, folder)
        names = [name_in(self._folder, photo) for photo in photos]
        self.paths = Paths(photos[index] for index in members(names, split, fractions, split_seed, lists, root))

    def _photos(self, root: str | None, split: str, divided: bool, folder: str) -> list[Path]:
        try:
            [self._folder] = split_folders(root, split, divided, folder=folder)
        except UserError as error:
            if divided:
                raise
            raise UserError(
                f"{error}; if the photos are all in one folder, pass data.source.folder=. "
                f"'data.source.fractions={{train:0.9,val:0.1}}'"
            ) from None
        photos, self.left_out = find_images(self._folder, recursive=True)
        return photos

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        return self._pair(index, read_image(self.paths[index], self.b))

    def prepared(self, index: int, prepare: Callable[[np.ndarray, ImageType], np.ndarray]) -> Pair:
        """Resize the photo before deriving the input: edges and noise then have the scale that the network sees."""
        return self._pair(index, prepare(read_image(self.paths[index], self.b), self.b))

    def _pair(self, index: int, photo: np.ndarray) -> Pair:
        name = self.paths[index].relative_to(self._folder).as_posix()
        return Pair(self.derive(photo, self.b, index), photo, name)

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.paths[index],)

    @property
    def settings(self) -> dict[str, Any]:
        derive = {"kind": type(self.derive).__name__, **asdict(self.derive)}
        return {"layout": "derived", "derive": derive}
