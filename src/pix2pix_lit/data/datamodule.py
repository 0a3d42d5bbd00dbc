"""``PairsDataModule``: training and validation loaders of paired images."""

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L

from pix2pix_lit.checks import FilePath, FreeText, check_choice, check_flag, check_integer
from pix2pix_lit.data.augmentation import Augmentation
from pix2pix_lit.data.cache import CachedPairs, CacheKind, cache_in_memory, cache_on_disk
from pix2pix_lit.data.dataset import Batch, Direction, PairDataset, PairIndex, evenly_spread
from pix2pix_lit.data.loader import EpochSampler, PairLoader
from pix2pix_lit.data.pair import PairSource
from pix2pix_lit.data.resized import LabelResampling, Resampling, ResizedPairs
from pix2pix_lit.data.size import Size, height_and_width
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType
from pix2pix_lit.images.listing import summary

if TYPE_CHECKING:
    from pix2pix_lit.data.download import Archive

log = logging.getLogger(__name__)


class PairsDataModule(L.LightningDataModule):
    """Training and validation batches of paired images, from any source.

    Args:
        source: called as ``source(root=root, split=split)`` for each split.
        root: folder of the data set; None for a source without files.
        archive: download for ``pix2pix-lit prepare``; None if there is none.
        accept_license: of the archive; used by ``pix2pix-lit prepare`` only.
        direction: ``AtoB`` or ``BtoA``: which image of a pair is the input.
        train_split: name of the training split.
        val_split: name of the validation split.
        load_size: size of training pairs before the crop; an integer or [height, width].
        crop_size: size of the training crop and of validation pairs.
        flip: mirror half of the training pairs.
        augmentation: further arguments of ``Augmentation`` for training pairs: ``geometry``, ``photometric`` and
            ``photometric_on``.
        resampling: how continuous images are resized; see ``ResizedPairs``.
        label_resampling: how labels are resized; see ``ResizedPairs``.
        snap_labels: replace every colour of a label image by the nearest one of its palette.
        cache: of decoded and resized pairs: ``none``, ``disk`` (shared with later runs) or ``ram`` (in memory, once for
            each training process).
        cache_dir: the folder for ``cache=disk``.
        batch_size: training pairs per batch on each device.
        val_batch_size: validation pairs per batch on each device.
        num_workers: processes that load batches, for each device.
        prefetch: batches that every worker loads ahead.
        pin_memory: use pinned host memory, for faster transfers to a GPU; None to do so when training on one.
        seed: of order and augmentation.

    Raises:
        UserError: for inconsistent values, and in ``setup`` if a split is missing or empty.
    """

    def __init__(
        self,
        source: Callable[..., PairSource],
        root: FilePath | None = None,
        archive: "Archive | None" = None,
        accept_license: bool = False,
        direction: Direction = "AtoB",
        train_split: FreeText = "train",
        val_split: FreeText = "val",
        load_size: Size = 286,
        crop_size: Size = 256,
        flip: bool = True,
        augmentation: Mapping[str, Any] | None = None,
        resampling: Resampling = "opencv",
        label_resampling: LabelResampling = "nearest",
        snap_labels: bool = False,
        cache: CacheKind = "none",
        cache_dir: FilePath = "outputs/cache",
        batch_size: int = 1,
        val_batch_size: int = 8,
        num_workers: int = 2,
        prefetch: int = 2,
        pin_memory: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("data.direction", direction, ("AtoB", "BtoA"))
        check_choice("data.cache", cache, ("none", "disk", "ram"))
        check_integer("data.num_workers", num_workers)
        check_integer("data.prefetch", prefetch, 1)
        check_integer("data.seed", seed)
        check_integer("data.batch_size", batch_size, 1)
        check_integer("data.val_batch_size", val_batch_size, 1)
        check_flag("data.flip", flip)
        check_flag("data.snap_labels", snap_labels)
        (height, width), crop = (
            height_and_width(load_size, "data.load_size"),
            height_and_width(crop_size, "data.crop_size"),
        )
        if crop[0] > height or crop[1] > width:
            raise UserError(
                f"data.crop_size {crop_size} is larger than data.load_size {load_size}; expected a crop that fits "
                f"into the resized image: raise data.load_size (the paper has 286 for a crop of 256)"
            )
        # Plain values for the checkpoint. Without the frame argument, Lightning leaves a reference cycle that keeps all
        # callers' variables alive; and loaders closed by the garbage collector wait 5 s for each of their workers.
        self.save_hyperparameters(
            ignore=["source", "root", "archive", "accept_license", "augmentation"],
            frame=inspect.currentframe(),
            logger=False,
        )
        self.source = source
        self.root = root
        self.archive = archive
        self.direction: Direction = direction
        self.train_split = train_split
        self.val_split = val_split
        self.load_size = load_size
        self.crop_size = crop_size
        self._resized = partial(
            ResizedPairs, resampling=resampling, label_resampling=label_resampling, snap_labels=snap_labels
        )
        self._augmentation = partial(Augmentation, crop_size=crop_size, blend_labels=label_resampling == "blended")
        self._augmented = partial(self._augmentation, flip=flip, load_size=load_size, **(augmentation or {}))
        self.cache = cache
        self.cache_dir = Path(cache_dir)
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size
        self.num_workers = num_workers
        self.prefetch = prefetch
        self.pin_memory = pin_memory
        self.seed = seed
        self._sources: dict[str, PairSource] = {}
        self._is_set_up = False
        self.overfit_batches: int | float = 0
        """Number of batches, or fraction of the training pairs, to use in every epoch; 0 for all pairs."""

    def build_source(self, split: str) -> PairSource:
        """The source of a split; built once, and skipped files are reported once.

        Raises:
            UserError: if the split is missing, empty, or not downloaded yet.
        """
        root = Path(os.path.expanduser(self.root or ""))
        if (
            self.archive is not None
            and self.root
            and (not root.exists() or (root.is_dir() and not any(root.iterdir())))
        ):
            raise UserError(
                f"{self.root} does not exist or is empty; expected the data set: download it by typing\n"
                f"    {self.archive.prepare_command(self.root)}\n"
                f"or, if you have it, pass data.root=PATH"
            )
        if split not in self._sources:
            source = self.source(root=self.root, split=split)
            known = {path for other in self._sources.values() for path in other.left_out}
            self._sources[split] = source
            left_out = {path: reason for path, reason in source.left_out.items() if path not in known}
            if left_out:
                log.warning("Files of split %s: %s", split, summary(left_out))
        return self._sources[split]

    def check_pairs(self) -> None:
        """Check a few training pairs, with a warning in the log if they may not be pairs.

        Raises:
            UserError: if they certainly are not.
        """
        doubt = self.build_source(self.train_split).check()
        if doubt is not None:
            log.warning("%s", doubt)

    def setup(self, stage: str | None = None) -> None:
        """Find and cache the pairs of both splits; further calls do nothing."""
        if self._is_set_up:
            return
        train_source, val_source = self.build_source(self.train_split), self.build_source(self.val_split)
        train = self._cached(self._resized(train_source, self.load_size), self.train_split)
        val = self._cached(self._resized(val_source, self.crop_size), self.val_split)
        self.train_pairs = self._dataset(train, self._augmented)
        self.val_pairs = self._dataset(val, self._augmentation)
        self._is_set_up = True

    def describe(self) -> dict[str, Any]:
        """The training data in plain values, for the metadata of checkpoints; available after ``setup``."""
        source = getattr(self.source, "func", self.source)
        return {
            "source": getattr(source, "__name__", type(source).__name__),
            "folder": Path(self.root).name if self.root else None,
            "train_pairs": len(self.train_pairs),
            "direction": self.direction,
            "crop_size": self.crop_size,
            "batch_size": self.batch_size,
        }

    def fixed_train_pairs(self) -> PairDataset:
        """The training pairs without augmentation, resized to the crop size like validation pairs."""
        pairs = self._resized(self.build_source(self.train_split), self.crop_size)
        return self._dataset(pairs, self._augmentation)

    @property
    def input_type(self) -> ImageType:
        """Image type of the inputs; available after ``setup``."""
        return self.train_pairs.input_type

    @property
    def target_type(self) -> ImageType:
        """Image type of the targets; available after ``setup``."""
        return self.train_pairs.target_type

    @property
    def val_length(self) -> int:
        """Number of validation pairs; available after ``setup``."""
        return self._used_pairs(self.val_pairs, self.val_split)

    def train_dataloader(self) -> PairLoader:
        """Shuffled, augmented batches; see ``dataset.Batch``."""
        return self._loader(self.train_pairs, self.batch_size, shuffle=True)

    def val_dataloader(self) -> PairLoader:
        """Every validation pair once, in order, resized to the crop size."""
        return self._loader(self.val_pairs, self.val_batch_size, shuffle=False)

    def val_samples(self, count: int) -> Batch:
        """At most ``count`` validation pairs, evenly spread over the split: the same in every call and run."""
        return self.val_pairs[[PairIndex(0, index) for index in evenly_spread(self.val_length, count)]]

    def _cached(self, pairs: ResizedPairs, split: str) -> ResizedPairs | CachedPairs:
        if self.cache == "ram":
            return cache_in_memory(pairs, self.num_workers, split)
        if self.cache == "disk":
            return cache_on_disk(pairs, self.cache_dir, self.num_workers, split)
        return pairs

    def _dataset(self, pairs: ResizedPairs | CachedPairs, augmentation: Callable[..., Augmentation]) -> PairDataset:
        types = (pairs.a, pairs.b) if self.direction == "AtoB" else (pairs.b, pairs.a)
        return PairDataset(pairs, augmentation(*types), self.direction, self.seed)

    def _used_pairs(self, pairs: PairDataset, split: str) -> int:
        """How many pairs of a split there are, or are used if the training split is to be overfitted."""
        limit, length = self.overfit_batches, len(pairs)
        if not limit or split != self.train_split:
            return length
        world_size = self.trainer.world_size if self.trainer else 1
        return min(length, limit * self.batch_size * world_size if type(limit) is int else round(limit * length))

    def _loader(self, pairs: PairDataset, batch_size: int, *, shuffle: bool) -> PairLoader:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        length = self._used_pairs(pairs, self.train_split if shuffle else self.val_split)
        sampler = EpochSampler(length, batch_size, shuffle=shuffle, seed=self.seed, rank=rank, world_size=world_size)
        pin_memory = self.pin_memory
        if pin_memory is None:
            pin_memory = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return PairLoader(pairs, sampler, self.num_workers, self.prefetch, pin_memory)
