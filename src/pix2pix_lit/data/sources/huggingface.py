"""Pairs in two image columns of a Hugging Face data set, on the Hub or in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pix2pix_lit.checks import FreeText
from pix2pix_lit.data.pair import Pair, PairSource, SizeMismatchError
from pix2pix_lit.data.sources.layouts import explained_by_layout
from pix2pix_lit.data.sources.splits import members
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import decode_image, read_image
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.internals.datasets import fingerprint

if TYPE_CHECKING:
    from datasets import Dataset


class HuggingFaceSource(PairSource):
    """Two image columns of a data set, in the order of its rows. Needs ``datasets``; no code of the data set is run.

    A folder may be one from ``save_to_disk``, or one that ``load_dataset`` reads, such as Parquet files or::

        root
        ├── train
        │   ├── metadata.jsonl      {"edges_file_name": "1_edges.png", "photo_file_name": "1.jpg"}
        │   ├── 1_edges.png
        │   └── 1.jpg
        └── validation

    Args:
        root: the folder, for which no network is needed; None for a data set on the Hub.
        split: a split of the data set, or the name of a fraction.
        a: image type of the A images.
        b: image type of the B images.
        name: of a data set on the Hub, ``OWNER/NAME``; None for a folder.
        config_name: name of a configuration, if the data set has several.
        revision: a commit, branch or tag of a data set on the Hub.
        a_column: the column with the A images.
        b_column: the column with the B images.
        divided_split: the split that ``fractions`` divide.
        fractions: the share of the rows of ``divided_split`` in each split; see ``splits.members``.
        split_seed: seed of the division by ``fractions``.

    Raises:
        UserError: if ``datasets`` is not installed, if the data set cannot be loaded, or if it lacks the split or a
            column.
    """

    def __init__(
        self,
        root: str | None,
        split: str,
        a: ImageType = RGB,
        b: ImageType = RGB,
        name: FreeText | None = None,
        config_name: FreeText | None = None,
        revision: FreeText | None = None,
        a_column: FreeText = "a",
        b_column: FreeText = "b",
        divided_split: FreeText = "train",
        fractions: Mapping[str, float] | None = None,
        split_seed: int = 0,
    ) -> None:
        self.a, self.b = a, b
        self._title = name or str(root)
        with explained_by_layout(root):
            splits = _load(root, name, config_name, revision)
        whole = split if fractions is None else divided_split
        if whole not in splits:
            raise UserError(
                f"{self._title} has no split {whole!r} (its splits: {', '.join(splits)}); name others with "
                f"data.train_split and data.val_split, or divide one: data.source.divided_split="
                f"{next(iter(splits))} 'data.source.fractions={{train:0.9,validation:0.1}}'"
            )
        dataset = splits[whole]
        keys = [str(row) for row in range(len(dataset))]
        self._rows = np.array(members(keys, split, fractions, split_seed))
        if a_column == b_column:
            raise UserError(
                f"data.source.a_column and data.source.b_column are both {a_column!r}; expected two columns, with the "
                f"A and the B images"
            )
        self._columns = (a_column, b_column)
        self._settings = {
            "layout": "huggingface",
            "fingerprint": fingerprint(dataset),
            "columns": list(self._columns),
            "split": split,
            "fractions": None if fractions is None else dict(fractions),
            "split_seed": split_seed,
        }
        self._whole = whole
        self._dataset = _undecoded(dataset, self._columns, self._title)
        self._has_files = _has_files(self._dataset, self._columns)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Pair:
        a, b = (
            self._image(index, column, image_type)
            for column, image_type in zip(self._columns, (self.a, self.b), strict=True)
        )
        if a.shape[:2] != b.shape[:2]:
            raise SizeMismatchError(
                f"{self._place(index)} has a {a.shape[1]}x{a.shape[0]} image (width x height) in column "
                f"{self._columns[0]!r} but a {b.shape[1]}x{b.shape[0]} one in {self._columns[1]!r}; expected equal "
                f"sizes, pixel on pixel: resize one or remove both"
            )
        return Pair(a, b, f"{self._whole}_{self._rows[index]:05d}")

    def files(self, index: int) -> tuple[Path, ...]:
        """External image files that the data set refers to."""
        if not self._has_files:
            return ()
        images = [self._stored(index, column) for column in self._columns]
        return tuple(Path(image["path"]) for image in images if image["bytes"] is None)

    @property
    def settings(self) -> dict[str, Any]:
        return self._settings

    def _stored(self, index: int, column: str) -> dict[str, Any]:
        """The ``bytes`` of an image file, or its ``path`` if they are None."""
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)}")
        image = self._dataset[int(self._rows[index])][column]
        if image is None or (image["bytes"] is None and image["path"] is None):
            raise UserError(f"{self._place(index)} has no image in column {column!r}; expected one: remove the row")
        return image

    def _image(self, index: int, column: str, image_type: ImageType) -> np.ndarray:
        image = self._stored(index, column)
        if image["bytes"] is None:
            return read_image(image["path"], image_type)
        place = f"{self._place(index)}, column {column!r},"
        return decode_image(image["bytes"], place, image_type)

    def _place(self, index: int) -> str:
        return f"row {self._rows[index]} of split {self._whole!r} of {self._title}"


def _load(root: str | None, name: str | None, config_name: str | None, revision: str | None) -> dict[str, "Dataset"]:
    """The data set's splits by their names."""
    if (root is None) == (name is None):
        raise UserError(
            f"data.root is {root} and data.source.name is {name}; expected one of them: the folder of a data set, or "
            f"the OWNER/NAME of one on the Hub"
        )
    if root is not None and not Path(root).expanduser().is_dir():
        raise UserError(
            f"{root} is no folder; expected one that save_to_disk wrote, or one of Parquet files or images: check "
            f"data.root, or pass data.root=null data.source.name=OWNER/NAME for a data set on the Hub"
        )
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            "data=huggingface needs the library datasets, which is not installed: pip install "
            "'pix2pix-lit[huggingface]'"
        ) from error
    folder = None if root is None else Path(root).expanduser().absolute()
    try:
        if folder and any((folder / marker).is_file() for marker in ("state.json", "dataset_dict.json")):
            loaded = datasets.load_from_disk(str(folder))
        else:
            loaded = datasets.load_dataset(str(folder or name), config_name, revision=revision)
    except Exception as error:  # many kinds from many libraries: no network, unknown name, damaged files, ...
        raise UserError(
            f"the data set {folder or name} cannot be loaded ({type(error).__name__}: {error}); expected a folder from "
            f"save_to_disk or one of Parquet files or images, or the name of a data set on the Hub and a connection to "
            f"it: check data.root, data.source.name, data.source.config_name and data.source.revision"
        ) from error
    if isinstance(loaded, datasets.Dataset):
        return {str(loaded.split or "train"): loaded}
    return dict(loaded)


def _undecoded(dataset: "Dataset", columns: tuple[str, str], title: str) -> "Dataset":
    """Only these columns, as bytes or paths, since the library would decode images to 8 bits."""
    import datasets

    for option, column in zip(("a_column", "b_column"), columns, strict=True):
        if column not in dataset.column_names:
            raise UserError(
                f"{title} has no column {column!r} (its columns: {', '.join(dataset.column_names)}); expected images "
                f"there: pass data.source.{option}"
            )
        try:
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
        except (ValueError, TypeError, NotImplementedError) as error:
            raise UserError(
                f"column {column!r} of {title} holds {dataset.features[column]}; expected images: pass "
                f"data.source.{option}"
            ) from error
    return dataset.select_columns(list(dict.fromkeys(columns)))


def _has_files(dataset: "Dataset", columns: tuple[str, str]) -> bool:
    """Whether the data set refers to external image files; reads no image."""
    from pyarrow import compute

    return any(compute.struct_field(dataset.data.column(column), "bytes").null_count > 0 for column in columns)
