"""Pairs as rows of a Hugging Face data set; nothing here asks the network."""

import io
import pickle
import sys

import datasets
import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.data.pair import SizeMismatchError
from pix2pix_lit.data.sources.huggingface import HuggingFaceSource
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import ImageType

DEEP = ImageType(channels=1, dtype="uint16")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """Caches in a folder of the test, and an error for every request."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def deep(number):
    """A 16-bit image, told from others by its values."""
    return np.array([[1000 * number, 65535], [3, 257]], np.uint16)


def plain(number):
    return np.full((2, 2, 3), number, np.uint8)


def table(count=6, **columns):
    """A data set of ``count`` rows with 16-bit images in a and RGB images in b."""
    images = {"a": map(deep, range(count)), "b": map(plain, range(count)), **columns}
    rows = {key: [{"bytes": png(image), "path": None} for image in each] for key, each in images.items()}
    kinds = datasets.Features({**dict.fromkeys(rows, datasets.Image()), "text": datasets.Value("string")})
    return datasets.Dataset.from_dict({**rows, "text": ["street"] * count}, features=kinds)


def values(source):
    """A number that tells each pair's images."""
    return [(int(source[i].a[0, 0, 0]) // 1000, int(source[i].b[0, 0, 0])) for i in range(len(source))]


@pytest.fixture
def saved(tmp_path):
    """A folder as ``save_to_disk`` writes it, with two splits."""
    splits = {"train": table(), "val": table(3).select([2, 0])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return str(tmp_path / "saved")


def test_a_saved_data_set_gives_its_pairs_in_its_order_with_all_bits(saved):
    source = HuggingFaceSource(saved, "train", a=DEEP)
    assert len(source) == 6
    for number in range(6):
        np.testing.assert_array_equal(source[number].a, deep(number)[..., None])
        np.testing.assert_array_equal(source[number].b, plain(number))
    assert source[4].name == "train_00004"
    assert source.files(4) == ()
    assert source.a == DEEP
    assert values(HuggingFaceSource(saved, "val", a=DEEP)) == [(2, 2), (0, 0)]


def test_a_saved_split_alone_goes_by_its_name(tmp_path):
    table(2).save_to_disk(tmp_path / "unnamed")
    assert len(HuggingFaceSource(str(tmp_path / "unnamed"), "train")) == 2
    named = datasets.Dataset(table(2).data, split=datasets.Split.TEST)
    named.save_to_disk(tmp_path / "named")
    assert len(HuggingFaceSource(str(tmp_path / "named"), "test")) == 2


def test_a_folder_of_parquet_files_is_read(tmp_path):
    (tmp_path / "files").mkdir()
    table(3).to_parquet(tmp_path / "files/train.parquet")
    table(5).select([4]).to_parquet(tmp_path / "files/validation.parquet")
    train, val = (HuggingFaceSource(f"{tmp_path}/files", split, a=DEEP) for split in ("train", "validation"))
    assert (values(train), values(val)) == ([(0, 0), (1, 1), (2, 2)], [(4, 4)])


def test_a_folder_of_images_with_metadata_is_read_and_its_files_are_known(tmp_path):
    folder = tmp_path / "images/train"
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / f"a{number}.png").write_bytes(png(deep(number)))
        (folder / f"b{number}.png").write_bytes(png(plain(number)))
    lines = ["a_file_name,b_file_name", "a0.png,b0.png", "a1.png,b1.png"]
    (folder / "metadata.csv").write_text("\n".join(lines))
    source = HuggingFaceSource(f"{tmp_path}/images", "train", a=DEEP)
    assert values(source) == [(0, 0), (1, 1)]
    assert source.files(1) == (folder / "a1.png", folder / "b1.png")
    (folder / "b1.png").unlink()
    with pytest.raises(UserError, match=r"train/b1\.png does not exist"):
        source[1]


def test_plain_bytes_are_images_too(tmp_path):
    rows = {"a": [png(deep(3))], "b": [png(plain(4))]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "bytes")
    assert values(HuggingFaceSource(f"{tmp_path}/bytes", "train", a=DEEP)) == [(3, 4)]


def test_columns_are_named_in_the_configuration(tmp_path):
    table(2, photo=[plain(7), plain(8)]).save_to_disk(tmp_path / "x")
    source = HuggingFaceSource(f"{tmp_path}/x", "train", a_column="photo", b_column="b")
    assert [int(source[i].a[0, 0, 0]) for i in range(2)] == [7, 8]


def test_fractions_divide_one_split(saved):
    options = {"a": DEEP, "fractions": {"train": 0.5, "val": 0.5}}
    train, val = (HuggingFaceSource(saved, split, **options) for split in ("train", "val"))
    assert (len(train), len(val)) == (3, 3)
    assert sorted(values(train) + values(val)) == [(number, number) for number in range(6)]
    assert val[0].name == f"train_{values(val)[0][0]:05d}"
    assert values(HuggingFaceSource(saved, "val", **options, split_seed=2)) != values(val)
    assert len(HuggingFaceSource(saved, "train", divided_split="val", **options)) == 1


def test_settings_tell_data_sets_splits_and_columns_apart_and_stay_what_they_are(saved, tmp_path):
    def settings(root=saved, split="train", **options):
        return repr(HuggingFaceSource(root, split, **options).settings)

    table().map(lambda row: {"text": "other"}).save_to_disk(tmp_path / "other")
    divided = {"fractions": {"train": 0.5, "val": 0.5}}
    different = [
        settings(),
        settings(split="val"),
        settings(f"{tmp_path}/other"),
        settings(a_column="b", b_column="a"),
        settings(**divided),
        settings(**divided, split="val"),
        settings(**divided, split_seed=1),
    ]
    assert len(set(different)) == len(different)
    assert settings() == different[0]


def test_one_column_for_both_images_is_refused(saved):
    with pytest.raises(UserError, match="are both 'a'; expected two columns"):
        HuggingFaceSource(saved, "train", b_column="a")


def test_a_source_survives_the_way_to_another_process(saved):
    source = HuggingFaceSource(saved, "val", a=DEEP)
    assert values(pickle.loads(pickle.dumps(source))) == values(source)


@pytest.mark.parametrize("index", [-1, 2])
def test_indices_beyond_the_rows_are_refused(saved, index):
    source = HuggingFaceSource(saved, "val")
    with pytest.raises(IndexError, match=f"pair {index} of 2"):
        source[index]


def test_damaged_and_missing_images_are_refused_with_row_and_column(tmp_path):
    rows = {
        "a": [{"bytes": png(plain(0)), "path": None}] * 2,
        "b": [{"bytes": png(plain(0))[:40], "path": None}, None],
    }
    kinds = datasets.Features(dict.fromkeys("ab", datasets.Image()))
    datasets.Dataset.from_dict(rows, features=kinds).save_to_disk(tmp_path / "x")
    source = HuggingFaceSource(f"{tmp_path}/x", "train")
    with pytest.raises(UserError, match=r"row 0 of split 'train' of .*/x, column 'b', cannot be read as an image"):
        source[0]
    with pytest.raises(UserError, match=r"row 1 of split 'train' of .*/x has no image in column 'b'"):
        source[1]


def test_images_of_another_type_are_refused_with_row_and_column(saved):
    with pytest.raises(
        UserError, match=r"row 0 of split 'train' of .*, column 'a', .*expected uint8: set dtype=uint16"
    ):
        HuggingFaceSource(saved, "train", a=ImageType(channels=1))[0]


def test_partners_of_unequal_size_are_refused_with_both_sizes(tmp_path):
    table(1, large=[np.zeros((4, 7, 3), np.uint8)]).save_to_disk(tmp_path / "x")
    source = HuggingFaceSource(f"{tmp_path}/x", "train", b_column="large", a=DEEP)
    with pytest.raises(SizeMismatchError, match=r"row 0 .* a 2x2 image \(width x height\) in column 'a' but a 7x4 one"):
        source[0]


def test_a_missing_split_is_named_with_those_that_are_there(saved):
    message = r"no split 'validation' \(its splits: train, val\); name others with .*data\.val_split, or divide one"
    with pytest.raises(UserError, match=message):
        HuggingFaceSource(saved, "validation")
    with pytest.raises(UserError, match=r"no split 'all' \(its splits: train, val\)"):
        HuggingFaceSource(saved, "train", divided_split="all", fractions={"train": 1})


def test_a_missing_column_is_named_with_those_that_are_there(saved):
    message = r"has no column 'photo' \(its columns: a, b, text\).*pass data\.source\.b_column"
    with pytest.raises(UserError, match=message):
        HuggingFaceSource(saved, "train", b_column="photo")


def test_a_column_without_images_is_refused(tmp_path):
    table(1).add_column("n", [1]).save_to_disk(tmp_path / "x")
    with pytest.raises(UserError, match=r"column 'n' of .*/x holds Value\(.*int64.*expected images"):
        HuggingFaceSource(f"{tmp_path}/x", "train", a_column="n")


def test_a_split_without_rows_is_refused(tmp_path):
    table(1).select([]).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"cannot be loaded .*no data"):
        HuggingFaceSource(str(tmp_path), "train")


def test_a_name_that_cannot_be_reached_is_refused():
    with pytest.raises(
        UserError, match=r"the data set nobody/nothing cannot be loaded \(.*check data\.root, data\.source\."
    ):
        HuggingFaceSource(None, "train", name="nobody/nothing", revision="main")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"nothing")
    with pytest.raises(
        UserError, match=rf"the data set {tmp_path} cannot be loaded \(.*expected a folder from save_to_disk"
    ):
        HuggingFaceSource(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("root", "name", "message"),
    [
        (None, None, r"data\.root is None and data\.source\.name is None; expected one of them"),
        ("/data", "owner/name", r"data\.root is /data and data\.source\.name is owner/name; expected one of them"),
        ("owner/name", None, r"owner/name is no folder; .*data\.root=null data\.source\.name=OWNER/NAME"),
    ],
)
def test_it_must_be_clear_where_the_data_set_is(root, name, message):
    with pytest.raises(UserError, match=message):
        HuggingFaceSource(root, "train", name=name)


def test_without_the_library_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"not installed: pip install 'pix2pix-lit\[huggingface\]'"):
        HuggingFaceSource(str(tmp_path), "train")
