"""PairsDataModule: the only place that builds loaders."""

from collections.abc import Callable

import lightning as L
import numpy as np

from pix2pix_lit.data.dataset import Batch, Direction, Draw, PairDataset
from pix2pix_lit.data.loader import EpochSampler, PairLoader
from pix2pix_lit.data.pair import PairSource
from pix2pix_lit.data.size import Size
from pix2pix_lit.data.transforms import PairTransform
from pix2pix_lit.errors import UserError


class PairsDataModule(L.LightningDataModule):
    """Training and validation batches of paired images, from any source.

    Args:
        source: called as ``source(root=root, split=split)`` for each split.
        root: the data set's folder; None for a source that reads none.
        direction: ``AtoB`` or ``BtoA``: which image of a pair is the input.
        train_split: the split that is trained on.
        val_split: the split that is validated on.
        load_size: size that training pairs are resized to before the crop; an integer or [height, width].
        crop_size: size of the training crop, and what validation pairs are resized to.
        flip: mirror half of the training pairs.
        batch_size: training pairs a batch on each device.
        val_batch_size: validation pairs a batch on each device.
        num_workers: processes that prepare batches, for each device.
        pin_memory: pinned host memory, for faster transfers to a GPU.
        seed: of order and augmentation.

    Raises:
        UserError: for values that do not fit together, and in ``setup`` if a split is missing or empty.
    """

    def __init__(
        self,
        source: Callable[..., PairSource],
        root: str | None = None,
        direction: Direction = "AtoB",
        train_split: str = "train",
        val_split: str = "val",
        load_size: Size = 286,
        crop_size: Size = 256,
        flip: bool = True,
        batch_size: int = 1,
        val_batch_size: int = 8,
        num_workers: int = 2,
        pin_memory: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if direction not in ("AtoB", "BtoA"):
            raise UserError(f"data.direction is {direction!r}; expected AtoB or BtoA")
        if batch_size < 1 or val_batch_size < 1:
            raise UserError(
                f"data.batch_size={batch_size} and data.val_batch_size={val_batch_size}; expected 1 or more"
            )
        self.save_hyperparameters(ignore=["source", "root"], logger=False)  # plain values, part of the checkpoint
        self.source = source
        self.root = root
        self.direction: Direction = direction
        self.train_split = train_split
        self.val_split = val_split
        self.train_transform = PairTransform(load_size, crop_size, flip)
        self.val_transform = PairTransform(crop_size, crop_size, flip=False)
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Find the pairs of both splits."""
        self.train_pairs = self._pairs(self.train_split, self.train_transform)
        self.val_pairs = self._pairs(self.val_split, self.val_transform)

    def train_dataloader(self) -> PairLoader:
        """Shuffled, augmented batches: see ``dataset.Batch``."""
        return self._loader(self.train_pairs, self.batch_size, shuffle=True)

    def val_dataloader(self) -> PairLoader:
        """Every validation pair once, in order, resized to the crop size."""
        return self._loader(self.val_pairs, self.val_batch_size, shuffle=False)

    def val_samples(self, count: int) -> Batch:
        """At most ``count`` validation pairs, evenly spread over the split: the same at every call and run."""
        indices = np.linspace(0, len(self.val_pairs) - 1, min(count, len(self.val_pairs))).round().astype(int)
        return self.val_pairs[[Draw(0, int(index)) for index in indices]]

    def _pairs(self, split: str, transform: PairTransform) -> PairDataset:
        return PairDataset(self.source(root=self.root, split=split), transform, self.direction, self.seed)

    def _loader(self, pairs: PairDataset, batch_size: int, *, shuffle: bool) -> PairLoader:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = EpochSampler(
            len(pairs), batch_size, shuffle=shuffle, seed=self.seed, rank=rank, world_size=world_size
        )
        return PairLoader(pairs, sampler, self.num_workers, self.pin_memory)
