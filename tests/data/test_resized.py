"""Pairs brought to one size."""

import numpy as np
import pytest
from PIL import Image

from pix2pix_lit.data.pair import Pair, PairSource
from pix2pix_lit.data.resized import ResizedPairs, resize
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import COLORS

LABELS = ImageType(kind="colors", palette="cityscapes")


class OnePair(PairSource):
    """A photo and its labels."""

    settings = {}  # noqa: RUF012

    def __init__(self, a: np.ndarray, b: np.ndarray, b_type: ImageType = LABELS) -> None:
        self.pair = Pair(a, b, "x")
        self.b = b_type

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Pair:
        return self.pair


def noise(height: int, width: int, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    return (np.random.default_rng(0).random((height, width, channels)) * 255).astype(dtype)


def labels(height: int, width: int) -> np.ndarray:
    return COLORS[np.random.default_rng(1).integers(0, 19, (height, width))]


def nearest(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(int)
    return image[rows][:, columns]


def test_labels_take_the_nearest_pixel_and_photographs_are_blended():
    pair = ResizedPairs(OnePair(noise(20, 30), labels(20, 30)), (44, 46))[0]
    np.testing.assert_array_equal(pair.b, nearest(labels(20, 30), 44, 46))
    assert pair.a.shape == (44, 46, 3)
    assert not np.array_equal(pair.a, nearest(noise(20, 30), 44, 46))
    assert pair.name == "x"


def test_labels_can_be_blended_as_the_reference_does():
    source = OnePair(noise(20, 30), labels(20, 30))
    pair = ResizedPairs(source, (44, 46), "pillow", "blended")[0]
    for mine, original in ((pair.a, noise(20, 30)), (pair.b, labels(20, 30))):
        expected = np.asarray(Image.fromarray(original).resize((46, 44), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(mine, expected)


def test_colours_are_snapped_before_they_are_resized():
    true = labels(20, 30)
    blurred = np.clip(true.astype(int) + np.random.default_rng(2).integers(-9, 10, true.shape), 0, 255)
    source = OnePair(noise(20, 30), blurred.astype(np.uint8))
    np.testing.assert_array_equal(ResizedPairs(source, (20, 30), snap_labels=True)[0].b, true)
    np.testing.assert_array_equal(ResizedPairs(source, (44, 46), snap_labels=True)[0].b, nearest(true, 44, 46))
    np.testing.assert_array_equal(ResizedPairs(source, (20, 30), snap_labels=True)[0].a, noise(20, 30))


def test_the_instance_plane_beside_colours_is_not_snapped():
    kind = ImageType(kind="colors", palette="cityscapes", instance_edges=True)
    image = np.concatenate([labels(20, 30), np.full((20, 30, 1), 26001)], -1).astype(np.uint16)
    np.testing.assert_array_equal(
        ResizedPairs(OnePair(noise(20, 30), image, kind), (20, 30), snap_labels=True)[0].b, image
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("size", [(40, 50), (10, 15)])
@pytest.mark.parametrize("resampling", ["opencv", "pillow", "nearest"])
def test_every_channel_is_resized_by_itself_and_keeps_its_depth(dtype, channels, size, resampling):
    image = noise(20, 30, channels, dtype)
    resized = resize(image, *size, resampling)
    assert resized.shape == (*size, channels)
    assert resized.dtype == dtype
    for channel in range(channels):
        alone = resize(np.ascontiguousarray(image[..., channel : channel + 1]), *size, resampling)
        difference = resized[..., channel : channel + 1].astype(float) - alone
        assert np.abs(difference).max() <= (1 if resampling == "opencv" and dtype != "float32" else 1e-3)  # rounding


def test_shrinking_averages_over_areas():
    small = resize(noise(64, 96), 32, 48, "opencv")
    assert np.abs(small - noise(64, 96).reshape(32, 2, 48, 2, 3).mean((1, 3))).max() <= 0.5


def test_sixteen_bits_stay_sixteen_bits():
    steep = np.repeat(np.arange(0, 65536, 64, dtype=np.uint16)[None, :, None], 8, 0)
    for resampling in ("opencv", "pillow"):
        resized = resize(steep, 8, 2048, resampling).astype(int)
        assert np.abs(np.diff(resized[0, 8:-8, 0]) - 32).max() <= 8  # a ramp of half the steepness
        assert len(np.unique(resized)) > 1500


def test_an_image_of_the_right_size_is_left_as_it_is():
    image = noise(20, 30)
    assert resize(image, 20, 30, "pillow") is image


@pytest.mark.parametrize(
    ("options", "b_type", "message"),
    [
        ({"resampling": "lanczos"}, LABELS, r"data\.resampling is 'lanczos'; expected one of opencv, pillow"),
        ({"label_resampling": "cubic"}, LABELS, r"data\.label_resampling is 'cubic'; expected one of nearest, blended"),
        ({"label_resampling": "blended"}, ImageType(kind="ids", channels=1, classes=4), "mean nothing when blended"),
        ({"snap_labels": True}, RGB, r"neither image has labels as colours.*data\.source\.b\.kind=colors"),
        ({"snap_labels": True}, ImageType(kind="colors"), r"has no palette.*set data\.source\.b\.palette"),
    ],
)
def test_values_that_do_not_suit_the_images_are_refused(options, b_type, message):
    with pytest.raises(UserError, match=message):
        ResizedPairs(OnePair(noise(4, 4), noise(4, 4), b_type), 8, **options)
