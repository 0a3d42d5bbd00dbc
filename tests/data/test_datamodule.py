"""Batches of pairs as training and validation get them."""

import gc
import traceback
import weakref
from functools import partial
from types import SimpleNamespace

import albumentations as A
import numpy as np
import pytest
import torch

from pix2pix_lit.data import PairsDataModule
from pix2pix_lit.data.dataset import PairIndex
from pix2pix_lit.data.download import Archive
from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.sources.aligned import AlignedSource
from pix2pix_lit.data.sources.streets import StreetsSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.files import write_image
from pix2pix_lit.images.image_type import ImageType


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class Noise(PairSource):
    """Pairs of 16x24 pixels that share nothing with each other."""

    settings = {}  # noqa: RUF012

    def __init__(self, root: str | None, split: str, length: int = 9) -> None:
        self.split = split
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Pair:
        seed = 1000 * (self.split == "val") + 2 * index
        return Pair(noise(16, 24, seed), noise(16, 24, seed + 1), f"{self.split}{index}")


def make_data(**changes) -> PairsDataModule:
    options = {"load_size": [16, 24], "crop_size": [16, 24], "flip": False, "num_workers": 0}
    data = PairsDataModule(**{"source": Noise, **options, **changes})
    data.setup("fit")
    return data


def nchw(images: list[np.ndarray]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images])


def test_what_a_source_leaves_out_is_in_the_log_once(tmp_path, caplog):
    for split in ("train", "val"):
        write_image(tmp_path / split / "1.png", np.zeros((4, 8, 3), np.uint8))
    (tmp_path / "train/2.svg").touch()
    datamodule = PairsDataModule(AlignedSource, str(tmp_path), load_size=4, crop_size=4)
    for _ in range(2):
        datamodule.build_source("train")
        datamodule.build_source("val")
    [message] = caplog.messages
    assert message.startswith(f"Files of split train: 1 left out: {tmp_path}/train/2.svg (SVG, which is not supported")


@pytest.mark.parametrize(("direction", "keys"), [("AtoB", ("input", "target")), ("BtoA", ("target", "input"))])
def test_direction_says_which_image_is_the_input(direction, keys):
    batch = next(iter(make_data(direction=direction, val_batch_size=3).val_dataloader()))
    pairs = [Noise(None, "val")[i] for i in range(3)]
    assert torch.equal(batch[keys[0]], nchw([pair.a for pair in pairs]))
    assert torch.equal(batch[keys[1]], nchw([pair.b for pair in pairs]))
    assert batch["name"] == ["val0", "val1", "val2"]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_uint8_images_with_their_names(num_workers):
    data = make_data(load_size=30, crop_size=[20, 26], flip=True, batch_size=4, num_workers=num_workers)
    for batch in data.train_dataloader():
        assert sorted(batch) == ["input", "name", "target"]
        assert len(batch["name"]) == 4
        for images in (batch["input"], batch["target"]):
            assert images.dtype == torch.uint8
            assert images.shape == (4, 3, 20, 26)
            assert images.permute(0, 2, 3, 1).is_contiguous()  # channels are the last in memory


def test_training_batches_belong_together():
    data = make_data(batch_size=4)
    for batch in data.train_dataloader():
        pairs = [Noise(None, "train")[int(name.removeprefix("train"))] for name in batch["name"]]
        assert torch.equal(batch["input"], nchw([pair.a for pair in pairs]))
        assert torch.equal(batch["target"], nchw([pair.b for pair in pairs]))


def test_validation_shows_every_pair_once_resized_to_the_crop_size_and_never_flipped():
    data = make_data(load_size=40, crop_size=[8, 12], flip=True, val_batch_size=4)
    batches = list(data.val_dataloader())
    assert [name for batch in batches for name in batch["name"]] == [f"val{i}" for i in range(9)]
    for i, image in enumerate(torch.cat([batch["input"] for batch in batches])):
        averages = noise(16, 24, 1000 + 2 * i).reshape(8, 2, 12, 2, 3).mean((1, 3))  # 16x24 shrinks to 8x12
        assert np.abs(image.permute(1, 2, 0).numpy() - averages).max() <= 0.5


def test_splits_go_by_the_names_they_are_given():
    data = make_data(train_split="tiny", val_split="test", batch_size=9)
    assert {name[:4] for name in next(iter(data.train_dataloader()))["name"]} == {"tiny"}
    assert {name[:4] for name in next(iter(data.val_dataloader()))["name"]} == {"test"}


def test_a_process_reads_its_own_share():
    seen = []
    for rank in range(2):
        data = make_data(batch_size=2)
        strategy = SimpleNamespace(root_device=torch.device("cpu"))
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2, strategy=strategy)
        batches = list(data.train_dataloader())
        assert len(batches) == 2
        seen += [name for batch in batches for name in batch["name"]]
    assert len(set(seen)) == 8


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (2, [0, 8]), (3, [0, 4, 8]), (5, [0, 2, 4, 6, 8]), (9, range(9)), (50, range(9))]
)
def test_samples_are_spread_evenly_over_the_validation_split(count, expected):
    assert make_data().val_samples(count)["name"] == [f"val{i}" for i in expected]


def test_samples_are_the_same_at_every_call_and_as_in_validation():
    data = make_data(load_size=40, crop_size=12, flip=True, val_batch_size=9)
    first = data.val_samples(9)
    list(data.train_dataloader())
    again, validation = data.val_samples(9), next(iter(data.val_dataloader()))
    for key in ("input", "target"):
        assert torch.equal(first[key], again[key])
        assert torch.equal(first[key], validation[key])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unreadable_file_is_reported_by_its_name_and_without_a_trace(tmp_path, num_workers):
    write_image(tmp_path / "train/good.png", noise(16, 48, 0))
    write_image(tmp_path / "val/good.png", noise(16, 48, 0))
    (tmp_path / "train/bad.png").write_bytes(b"this is no image")
    data = make_data(source=AlignedSource, root=str(tmp_path), num_workers=num_workers)
    with pytest.raises(UserError) as caught:
        list(data.train_dataloader())
    traceback.clear_frames(caught.tb)  # so that the workers end now, not in a garbage collection that waits for them
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/train/bad.png cannot be read as an image")
    assert message.endswith("replace or remove it")
    assert "Traceback" not in message
    assert "\n" not in message


class Scans(PairSource):
    """Height maps and class numbers with instances."""

    a = ImageType(channels=1, dtype="uint16", range=[0, 5000])
    b = ImageType(kind="ids", channels=1, classes=9, instance_edges=True)

    def __init__(self, root: str | None, split: str) -> None:
        self.split = split

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Pair:
        rng = np.random.default_rng(index)
        ids, instances = rng.integers(0, 9, (8, 8)), rng.integers(0, 2, (8, 8)) + 33_000
        heights = rng.integers(0, 65_536, (8, 8, 1), np.uint16)
        return Pair(heights, np.stack([ids, instances], -1).astype(np.uint16), str(index))

    @property
    def settings(self) -> dict:
        return {"split": self.split}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_of_any_type_arrive_as_they_are(num_workers):
    data = make_data(source=Scans, load_size=8, crop_size=8, batch_size=4, num_workers=num_workers, direction="BtoA")
    assert (data.input_type, data.target_type) == (Scans.b, Scans.a)
    for batch in data.train_dataloader():
        for i, name in enumerate(batch["name"]):
            pair = Scans(None, "train")[int(name)]
            np.testing.assert_array_equal(batch["target"][i].permute(1, 2, 0).numpy(), pair.a)
            np.testing.assert_array_equal(batch["input"][i].permute(1, 2, 0).numpy(), Scans.b.finish(pair.b))
        assert (batch["input"].dtype, batch["target"].dtype) == (torch.uint8, torch.uint16)


def test_instance_edges_are_drawn_after_all_geometry():
    data = make_data(source=Scans, load_size=64, crop_size=40, batch_size=8, direction="BtoA", flip=True)
    for image in next(iter(data.train_dataloader()))["input"]:
        edges = image[1].numpy()
        assert set(np.unique(edges)) <= {0, 255}
        inner = edges[1:-1, 1:-1] == 255
        assert 0.05 < inner.mean() < 0.5  # two pixels wide, on instances that are 8 times as large as in the source


RANDOM = {
    "geometry": {"turn": A.Rotate(limit=20, p=0.7), "scale": A.RandomScale(scale_limit=(0.0, 0.4), p=0.5)},
    "photometric": {"light": A.RandomBrightnessContrast(p=1)},
}


def epochs(**changes) -> list[dict]:
    data = make_data(load_size=40, crop_size=[20, 26], flip=True, batch_size=3, **changes)
    batches = []
    for epoch in (0, 1):
        loader = data.train_dataloader()
        loader.order.set_epoch(epoch)
        batches += list(loader)
    return batches


@pytest.mark.parametrize(
    "changes",
    [{"num_workers": 2}, {"num_workers": 3}, {"cache": "ram"}, {"cache": "disk"}, {"cache": "disk", "num_workers": 2}],
)
def test_augmentation_is_the_same_for_any_number_of_workers_and_any_cache(tmp_path, changes):
    expected = epochs(augmentation=RANDOM)
    got = epochs(augmentation=RANDOM, cache_dir=str(tmp_path), **changes)
    assert len(got) == len(expected) == 6
    for one, other in zip(got, expected, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["input"], other["input"])
        assert torch.equal(one["target"], other["target"])
    assert not torch.equal(expected[0]["input"], expected[3]["input"])


def test_validation_is_not_augmented():
    data = make_data(augmentation=RANDOM, val_batch_size=9)
    for i, image in enumerate(next(iter(data.val_dataloader()))["input"]):
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), noise(16, 24, 1000 + 2 * i))


def test_training_pairs_are_available_without_augmentation():
    data = make_data(load_size=40, crop_size=[16, 24], augmentation=RANDOM, flip=True)
    batch = data.fixed_train_pairs()[[PairIndex(epoch, 4) for epoch in range(5)]]
    assert torch.equal(batch["input"], nchw([noise(16, 24, 8)] * 5))


def test_setup_reads_a_cached_source_once_however_often_it_is_called(tmp_path):
    reads = []

    class Counted(Noise):
        def __getitem__(self, index: int) -> Pair:
            reads.append(index)
            return super().__getitem__(index)

    data = make_data(source=Counted, cache="ram")
    data.setup("fit")
    data.setup("validate")
    list(data.train_dataloader())
    list(data.val_dataloader())
    assert len(reads) == 18


def test_data_that_were_not_downloaded_yet_name_the_download_command(tmp_path):
    archive = Archive(url="https://example.org/facades.tar.gz")
    data = PairsDataModule(AlignedSource, str(tmp_path / "facades"), archive=archive)
    with pytest.raises(UserError, match=r"(?s)facades does not exist.*pix2pix-lit prepare data=facades"):
        data.setup()


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_workers", -1), ("num_workers", "two"), ("seed", -1), ("flip", "perhaps"), ("snap_labels", 1)],
)
def test_values_of_another_kind_are_refused(key, value):
    with pytest.raises(UserError, match=rf"data\.{key}.*{value}.*; expected"):
        PairsDataModule(Noise, **{key: value})


def test_an_unknown_cache_is_refused():
    with pytest.raises(UserError, match=r"data\.cache is 'memory'; expected one of none, disk, ram"):
        PairsDataModule(Noise, cache="memory")


@pytest.mark.parametrize(("load_size", "crop_size"), [(32, 33), ([32, 64], [33, 64]), ([32, 64], [32, 65])])
def test_a_crop_larger_than_the_resized_image_is_refused(load_size, crop_size):
    with pytest.raises(UserError, match=r"data\.crop_size .* is larger than data\.load_size .*raise data\.load_size"):
        PairsDataModule(Noise, load_size=load_size, crop_size=crop_size)


def test_a_malformed_size_is_refused_with_its_key():
    with pytest.raises(UserError, match=r"data\.load_size is 0; expected"):
        PairsDataModule(Noise, load_size=0)


def test_a_missing_split_is_reported_by_setup(tmp_path):
    write_image(tmp_path / "train/x.png", noise(16, 48, 0))
    data = PairsDataModule(AlignedSource, str(tmp_path))
    with pytest.raises(UserError, match="no folder 'val'"):
        data.setup("fit")


def test_too_few_training_pairs_are_refused():
    data = make_data(source=partial(Noise, length=3), batch_size=4)
    with pytest.raises(UserError, match=r"3 training pairs do not fill one batch of data\.batch_size=4"):
        data.train_dataloader()


def test_an_unknown_direction_is_refused():
    with pytest.raises(UserError, match=r"data\.direction is 'atob'; expected one of AtoB, BtoA"):
        PairsDataModule(Noise, direction="atob")


@pytest.mark.parametrize("changes", [{"batch_size": 0}, {"val_batch_size": -1}])
def test_a_batch_size_below_one_is_refused(changes):
    [(key, value)] = changes.items()
    with pytest.raises(UserError, match=rf"data\.{key} is {value}; expected a whole number, 1 or more"):
        PairsDataModule(Noise, **changes)


def test_workers_end_with_their_loader_and_not_in_a_garbage_collection():
    def use_and_forget() -> weakref.ref:
        loader = make_data(num_workers=1).train_dataloader()
        list(loader)
        return weakref.ref(loader)

    gc.disable()
    try:
        assert use_and_forget()() is None
    finally:
        gc.enable()


def test_hyperparameters_are_plain_values():
    data = make_data(batch_size=3)
    assert data.hparams["batch_size"] == 3
    assert "source" not in data.hparams
    assert "root" not in data.hparams


def test_batches_are_prepared_ahead_and_pinned_as_asked():
    data = make_data(num_workers=2, prefetch=5, pin_memory=True)
    data.setup()
    assert (data.train_dataloader().prefetch_factor, data.train_dataloader().pin_memory) == (5, True)


@pytest.mark.parametrize(("device", "is_pinned"), [("cpu", False), ("cuda", True)])
def test_memory_is_pinned_by_itself_for_a_gpu_alone(device, is_pinned):
    data = make_data()
    data.setup()
    strategy = SimpleNamespace(root_device=torch.device(device))
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, strategy=strategy)
    assert data.train_dataloader().pin_memory == is_pinned


def test_prefetching_nothing_is_refused():
    with pytest.raises(UserError, match="data.prefetch is 0"):
        make_data(prefetch=0)


def test_what_training_sees_is_described_in_plain_values(tmp_path):
    module = PairsDataModule(partial(StreetsSource, train_length=3, val_length=1), crop_size=[32, 64], load_size=64)
    module.setup()
    assert module.describe() == {
        "source": "StreetsSource",
        "folder": None,
        "train_pairs": 3,
        "direction": "AtoB",
        "crop_size": [32, 64],
        "batch_size": 1,
    }
