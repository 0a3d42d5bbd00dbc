"""What pixels mean."""

import numpy as np
import pytest
import torch

from pix2pix_lit.errors import NotFiniteError, UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.images.palettes import COLORS

IDS = ImageType(kind="ids", channels=1, classes=5)
EVERY_BYTE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)


def test_every_byte_survives_the_way_to_a_network_and_back():
    assert torch.equal(RGB.from_network(RGB.to_network(EVERY_BYTE)), EVERY_BYTE)


def test_bytes_become_floats_from_minus_one_to_one():
    floats = RGB.to_network(EVERY_BYTE)
    assert floats.dtype == torch.float32
    expected = np.arange(256, dtype=np.float64) / 127.5 - 1
    np.testing.assert_allclose(floats[0, 0].reshape(-1).numpy(), expected, rtol=0, atol=1e-6)


def test_floats_are_rounded_and_clipped_and_left_as_they_were():
    floats = torch.tensor([-2.0, -1.0, 0.0, 0.0039, 0.5, 1.0, 7.0]).view(1, 1, 1, 7).expand(1, 3, 1, 7).clone()
    before = floats.clone()
    assert RGB.from_network(floats)[0, 0, 0].tolist() == [0, 0, 128, 128, 191, 255, 255]
    assert torch.equal(floats, before)


def test_tensors_for_networks_have_channels_last_in_memory_whatever_the_batch_is():
    channels_last = torch.zeros(2, 8, 8, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    for batch in (channels_last, channels_last.contiguous()):
        assert RGB.to_network(batch).is_contiguous(memory_format=torch.channels_last)


def test_every_value_of_sixteen_bits_survives():
    depth = ImageType(channels=1, dtype="uint16")
    every = torch.from_numpy(np.arange(65536, dtype=np.uint16)).view(1, 1, 256, 256)
    floats = depth.to_network(every)
    assert (floats.min(), floats.max()) == (-1, 1)
    assert torch.equal(depth.from_network(floats), every)
    assert depth.from_network(floats).dtype == torch.uint16


def test_a_range_defines_minus_one_and_one_and_clips():
    height = ImageType(channels=1, dtype="float32", range=[-100, 300])
    metres = torch.tensor([-500.0, -100.0, 0.0, 100.0, 300.0, 1000.0]).view(1, 1, 2, 3)
    floats = height.to_network(metres)
    np.testing.assert_allclose(floats.flatten(), [-1, -1, -0.5, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(height.from_network(floats).flatten(), [-100, -100, 0, 100, 300, 300], atol=1e-4)
    depth = ImageType(channels=1, dtype="uint16", range=[0, 1000])
    values = torch.tensor([[[[0, 250], [1000, 5000]]]]).to(torch.uint16)
    np.testing.assert_allclose(depth.to_network(values).flatten(), [-1, -0.5, 1, 1], atol=1e-6)
    assert depth.from_network(depth.to_network(values)).flatten().tolist() == [0, 250, 1000, 1000]


def test_class_numbers_are_one_hot_and_come_back():
    ids = torch.tensor([[[[0, 4], [2, 1]]]], dtype=torch.uint8)
    floats = IDS.to_network(ids)
    assert floats.shape == (1, 5, 2, 2)
    expected = torch.nn.functional.one_hot(ids[:, 0].long(), 5).movedim(-1, 1) * 2.0 - 1.0
    assert torch.equal(floats, expected)
    back = IDS.from_network(floats + 0.3 * torch.randn(floats.shape, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(back, ids)
    assert back.dtype == torch.uint8


def test_boundaries_are_where_instances_meet():
    kind = ImageType(kind="ids", channels=1, classes=5, instance_edges=True)
    instances = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [9, 1, 1, 1]])
    ids = np.ones((3, 4), int)
    finished = kind.finish(np.stack([ids, instances], -1).astype(np.uint16))
    assert finished.dtype == np.uint8
    assert finished[..., 0].tolist() == ids.tolist()
    edges = np.zeros((3, 4), int)  # by the definition: some neighbour is another
    for y in range(3):
        for x in range(4):
            neighbours = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            inside = [(v, u) for v, u in neighbours if 0 <= v < 3 and 0 <= u < 4]
            edges[y, x] = 255 * any(instances[v, u] != instances[y, x] for v, u in inside)
    assert finished[..., 1].tolist() == edges.tolist()
    floats = kind.to_network(torch.from_numpy(finished).permute(2, 0, 1)[None])
    assert floats.shape == (1, 6, 3, 4)
    assert floats[0, 5].tolist() == (edges / 127.5 - 1).tolist()


def test_boundaries_are_not_part_of_what_a_network_generates():
    kind = ImageType(kind="colors", instance_edges=True)
    assert (kind.planes, kind.network_channels) == (4, 4)
    assert kind.from_network(torch.zeros(1, 4, 8, 8)).shape == (1, 3, 8, 8)


def test_an_image_without_boundaries_is_finished_as_it_is():
    image = np.zeros((2, 2, 3), np.uint8)
    assert RGB.finish(image) is image


@pytest.mark.parametrize(
    ("kind", "channels"),
    [
        (RGB, 3),
        (ImageType(channels=7), 7),
        (IDS, 5),
        (ImageType(kind="ids", channels=1, classes=20, instance_edges=True), 21),
    ],
)
def test_network_channels(kind, channels):
    assert kind.network_channels == channels


def test_pictures_show_what_there_is():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(RGB.picture(photo), photo)
    np.testing.assert_array_equal(ImageType(channels=1).picture(photo[..., :1]), photo[..., :1].repeat(3, -1))
    bands = ImageType(channels=5, dtype="float32", range=[0, 1])
    np.testing.assert_array_equal(
        bands.picture((np.ones((2, 2, 5)) * [0, 0.5, 2, 0, 0]).astype(np.float32))[0, 0], [0, 128, 255]
    )
    classes = ImageType(kind="ids", channels=1, classes=20, palette="cityscapes")
    numbers = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    np.testing.assert_array_equal(classes.picture(numbers).reshape(20, 3)[:19], COLORS)


def test_pictures_of_classes_without_a_palette_have_a_colour_for_each():
    kind = ImageType(kind="ids", channels=1, classes=60)
    picture = kind.picture(np.arange(60, dtype=np.uint8).reshape(6, 10, 1))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 60


def test_boundaries_are_white_in_pictures():
    kind = ImageType(kind="colors", instance_edges=True)
    image = np.array([[[9, 8, 7, 0], [9, 8, 7, 255]]], np.uint8)
    assert kind.picture(image).tolist() == [[[9, 8, 7], [255, 255, 255]]]
    assert kind.picture(image[..., :3]).tolist() == [[[9, 8, 7], [9, 8, 7]]]


@pytest.mark.parametrize(
    "kind", [RGB, IDS, ImageType(dtype="float32", range=[0, 2], channels=4, background=[0, 0, 0, 0])]
)
def test_a_type_is_rebuilt_from_plain_values(kind):
    assert ImageType(**kind.as_dict()) == kind


def test_lists_from_configs_count_as_tuples():
    assert ImageType(kind="colors", palette=[[1, 2, 3], [4, 5, 6]]).palette_colors.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert hash(ImageType(kind="colors", palette=[[1, 2, 3]]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "photo"}, "kind of an image is 'photo'; expected one of continuous, colors, ids"),
        ({"dtype": "int8"}, "dtype of an image is 'int8'; expected one of uint8, uint16, float32"),
        ({"channels": 0}, "channels of an image is 0; expected a whole number, 1 or more"),
        ({"channels": 2.0}, "channels of an image is 2.0; expected"),
        ({"kind": "colors", "channels": 1}, "kind colors has channels=1 dtype=uint8; expected 3 and uint8"),
        ({"kind": "ids"}, "kind ids has channels=3.*expected 1"),
        ({"kind": "ids", "channels": 1}, "classes of an image of kind ids, dtype uint8, is None; expected a whole"),
        ({"kind": "ids", "channels": 1, "classes": 257}, "classes .* is 257; expected a whole number from 2 to 256"),
        ({"classes": 5}, "kind continuous has classes, values or void; expected null"),
        ({"palette": "cityscapes"}, "kind continuous has a palette; expected null, or kind=colors"),
        ({"instance_edges": True}, "kind continuous has instance_edges=true; expected colors or ids"),
        ({"dtype": "float32"}, r"dtype=float32 has range=null; expected.*range=\[0,1\]"),
        ({"range": [1, 1]}, r"range of an image is \[1, 1\]; expected \[low, high\]"),
        ({"range": [1]}, r"range of an image is \[1\]; expected"),
        ({"kind": "colors", "range": [0, 9]}, "kind colors has range=.*labels have no range"),
        ({"range": [0, 300]}, r"range of an image is \[0, 300\]; expected.*of dtype=uint8"),
        ({"range": [-1, 200]}, "range of an image"),
        ({"dtype": "float32", "range": [0, float("inf")]}, "both finite"),
        ({"kind": "colors", "palette": [[300, 0, 0]]}, "palette of an image is .*300.*expected colours"),
        ({"kind": "colors", "palette": [3, 0, 0]}, "palette of an image is .*expected colours"),
        (
            {"kind": "ids", "channels": 1, "classes": 3, "values": [0, 0, 1]},
            "values of an image is .*a different whole",
        ),
        ({"kind": "ids", "channels": 1, "classes": 3, "values": [0, 1, 70000]}, "values of an image is .*65535"),
        ({"kind": "ids", "channels": 1, "classes": 3, "values": ["a", 1, 2]}, "values of an image is .*65535"),
        ({"background": [0, 0, 256]}, r"background of an image is \[0, 0, 256\]; expected"),
        ({"background": [-1, 0, 0]}, r"background of an image is \[-1, 0, 0\]; expected"),
        ({"background": [255]}, r"background of an image is \[255\]; expected a value for each of its 3 channels"),
        (
            {"kind": "ids", "channels": 1, "classes": 19, "values": "cityscapes_train_ids"},
            "values=cityscapes_train_ids is 19; expected 20",
        ),
        ({"kind": "colors", "void": 0}, "kind colors has classes, values or void; expected null"),
        (
            {"kind": "ids", "channels": 1, "classes": 3, "void": 3},
            "void of an image of kind ids is 3; expected .* 0 to 2",
        ),
        (
            {"kind": "ids", "channels": 1, "classes": 19, "values": "cityscapes_colors"},
            "values=cityscapes_colors is 19; expected 20",
        ),
        (
            {"kind": "ids", "channels": 1, "classes": 20, "values": "cityscapes_colors", "instance_edges": True},
            "values=cityscapes_colors has instance_edges=true; expected false",
        ),
        ({"kind": "colors", "palette": "cityscape"}, "palette of an image is 'cityscape'; expected one of cityscapes"),
    ],
)
def test_what_does_not_fit_together_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        ImageType(**values)


def test_class_numbers_go_to_files_as_the_values_listed_for_them():
    ids = np.array([[[0], [1]]], np.uint8)
    masks = ImageType(kind="ids", channels=1, classes=2, values=[0, 255])
    assert masks.as_in_files(ids).tolist() == [[[0], [255]]]
    assert masks.as_in_files(ids).dtype == np.uint8
    assert ImageType(kind="ids", channels=1, classes=2, values=[7, 1000]).as_in_files(ids).dtype == np.uint16
    assert IDS.as_in_files(ids) is ids


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "image_type",
    [RGB, ImageType(dtype="float32", range=[0, 1]), ImageType(kind="ids", channels=1, classes=3)],
    ids=["uint8", "float32", "classes"],
)
def test_not_a_number_never_becomes_a_pixel(image_type, value):
    floats = torch.zeros(2, 3, 4, 4)
    assert image_type.from_network(floats).shape[0] == 2
    floats[1, 2, 3, 0] = value
    with pytest.raises(NotFiniteError, match="NaN or infinity in 1 of 96 values"):
        image_type.from_network(floats)
