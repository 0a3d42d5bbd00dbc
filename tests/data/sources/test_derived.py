"""Pairs whose input is computed from a photo."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image

from pix2pix_lit.data.resized import ResizedPairs
from pix2pix_lit.data.sources.derived import Derivation, DerivedSource, Downsampled, Edges, Grayscale, Masked, Noise
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.image_type import RGB, ImageType
from pix2pix_lit.runs.command import CONFIG_DIR

GRAY = ImageType(channels=1)
RGB16 = ImageType(dtype="uint16")
FLOAT = ImageType(dtype="float32", range=(0.0, 1.0))


def noise(height: int = 24, width: int = 36, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def step(dark: int, bright: int, height: int = 20, width: int = 30) -> np.ndarray:
    """Dark to the left of the middle, bright to the right."""
    image = np.full((height, width, 3), dark, np.uint8)
    image[:, width // 2 :] = bright
    return image


def save(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed=seed)).save(root / name)


def hole_of(masked: np.ndarray, photo: np.ndarray) -> tuple[slice, slice]:
    """The smallest rectangle around all that has changed."""
    rows, columns = np.nonzero((masked != photo).any(-1))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


# Edges


def test_edges_are_one_black_line_on_white():
    edges = Edges(sigma=0)(step(50, 200), RGB, 0)
    assert edges.shape == (20, 30, 1)
    assert edges.dtype == np.uint8
    assert set(np.unique(edges)) == {0, 255}
    black = edges[5:15, :, 0] == 0
    assert (black.sum(1) == 1).all()
    assert set(np.nonzero(black)[1]) <= {14, 15}


@pytest.mark.parametrize(("contrast", "is_edge"), [(30, True), (31, True), (29, False)])
def test_edges_begin_where_the_gradient_is_above_high(contrast, is_edge):
    edges = Edges(low=10, high=119, sigma=0)(step(100, 100 + contrast), RGB, 0)  # the gradient is 4 * contrast
    assert (edges == 0).any() == is_edge


@pytest.mark.parametrize(("low", "goes_on"), [(70, True), (90, False)])
def test_edges_go_on_where_the_gradient_is_above_low(low, goes_on):
    photo = np.concatenate([step(100, 140), step(100, 120)])  # gradients of 160 and 80
    edges = Edges(low=low, high=150, sigma=0)(photo, RGB, 0)[..., 0]
    assert (edges[5:15] == 0).any()
    assert (edges[25:35] == 0).any() == goes_on


def test_blur_removes_fine_edges():
    counts = [(Edges(sigma=sigma)(noise(60, 60), RGB, 0) == 0).sum() for sigma in (0, 1, 3)]
    assert counts[0] > 500
    assert counts[0] > counts[1] > counts[2] == 0


def test_edges_do_not_depend_on_the_depth_or_number_of_channels_of_the_photo():
    photo = step(50, 200) // 2 + noise(20, 30) // 2
    expected = Edges()(photo, RGB, 0)
    assert (expected == 0).any()
    np.testing.assert_array_equal(Edges()(photo.astype(np.uint16) * 257, RGB16, 0), expected)
    np.testing.assert_array_equal(Edges()(photo.astype(np.float32) / 255, FLOAT, 0), expected)
    gray = photo[..., :1]
    np.testing.assert_array_equal(Edges()(gray, GRAY, 0), Edges()(gray.repeat(3, -1), RGB, 0))


def test_edges_are_images_of_one_8_bit_channel_whatever_the_photos_are():
    for photos in (RGB, GRAY, RGB16, FLOAT, ImageType(channels=5)):
        edges = Edges().input_type(photos)
        assert (edges.kind, edges.channels, edges.dtype, edges.range) == ("continuous", 1, "uint8", None)


# Grayscale


@pytest.mark.parametrize(("photos", "scale", "tolerance"), [(RGB, 1, 0.51), (RGB16, 257, 2), (FLOAT, 1 / 255, 1e-6)])
def test_grayscale_is_luma_of_the_same_depth(photos, scale, tolerance):
    photo = (noise() * np.float64(scale)).astype(photos.dtype)
    gray = Grayscale()(photo, photos, 0)
    assert gray.shape == (24, 36, 1)
    assert gray.dtype == photos.dtype
    np.testing.assert_allclose(gray[..., 0], photo.astype(np.float64) @ [0.299, 0.587, 0.114], rtol=0, atol=tolerance)
    result = Grayscale().input_type(photos)
    assert (result.channels, result.dtype, result.range) == (1, photos.dtype, photos.range)


def test_grayscale_of_gray_photos_is_refused():
    with pytest.raises(UserError, match="needs photos of 3 channels, red, green and blue, but has 1"):
        Grayscale().input_type(GRAY)


# Downsampled


def enlarged(row: np.ndarray, factor: int) -> np.ndarray:
    """Cubic convolution (Keys 1981) with a = -0.75, as OpenCV has it, along the first axis."""

    def weight(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0

    result = []
    for position in range(len(row) * factor):
        center = (position + 0.5) / factor - 0.5
        first = int(np.floor(center)) - 1
        taps = [min(max(tap, 0), len(row) - 1) for tap in range(first, first + 4)]
        result.append(sum(weight(center - (first + i)) * row[tap] for i, tap in enumerate(taps)))
    return np.array(result)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_downsampled_is_the_mean_of_blocks_enlarged_by_cubic_convolution(channels):
    photos = ImageType(channels=channels, dtype="float32", range=(0, 1))
    photo = np.random.default_rng(0).random((12, 20, channels), np.float32)
    blocks = photo.reshape(3, 4, 5, 4, channels).mean((1, 3))
    expected = enlarged(enlarged(blocks, 4).swapaxes(0, 1), 4).swapaxes(0, 1)
    np.testing.assert_allclose(Downsampled(factor=4)(photo, photos, 0), expected, atol=1e-5)
    assert Downsampled().input_type(photos) == photos


@pytest.mark.parametrize("photos", [RGB, RGB16])
def test_downsampled_keeps_size_and_depth_of_photos_that_the_factor_does_not_divide(photos):
    photo = np.full((13, 7, 3), 200, photos.dtype)
    result = Downsampled(factor=8)(photo, photos, 0)
    assert result.dtype == photos.dtype
    np.testing.assert_array_equal(result, photo)


# Masked


def test_a_hole_in_the_center_has_the_photos_proportions_and_the_wanted_share():
    photo = noise(40, 60) // 2  # nowhere white
    expected = photo.copy()
    expected[10:30, 15:45] = 255
    np.testing.assert_array_equal(Masked(share=0.25, place="center")(photo, RGB, 7), expected)


def test_a_hole_at_a_random_place_has_the_wanted_share_and_changes_nothing_else():
    photo = noise(80, 120) // 2
    before = photo.copy()
    places = set()
    for index in range(30):
        masked = Masked(share=0.3)(photo, RGB, index)
        hole = hole_of(masked, photo)
        assert (masked[hole] == 255).all()
        height, width = (side.stop - side.start for side in hole)
        assert height * width == pytest.approx(0.3 * 80 * 120, rel=0.03)
        assert 0.45 < (height / 80) / (width / 120) < 2.2
        places.add((hole[0].start, hole[1].start, height))
    assert len(places) > 25
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_small_and_large_holes_stay_within_the_photo(share):
    photo = noise(50, 100) // 2
    for index in range(20):
        hidden = (Masked(share=share)(photo, RGB, index) != photo).any(-1).mean()
        assert hidden == pytest.approx(share, rel=0.25)


def test_holes_are_filled_with_the_wanted_color_or_white():
    photo = noise(40, 60)
    assert (Masked(place="center", color=(1, 2, 3))(photo, RGB, 0)[20, 30] == [1, 2, 3]).all()
    assert (Masked(place="center")(photo.astype(np.uint16), RGB16, 0)[20, 30] == 65535).all()
    assert (Masked(place="center")(photo.astype(np.float32) / 255, FLOAT, 0)[20, 30] == 1.0).all()


@pytest.mark.parametrize("color", [(255,), (0, 0, 256), (0, 0, -1)])
def test_a_color_that_the_photos_cannot_have_is_refused(color):
    with pytest.raises(UserError, match=r"masked has color=.*expected 3 values, one a channel, that uint8 can hold"):
        Masked(color=color).input_type(RGB)


# Noise


@pytest.mark.parametrize(("photos", "gray", "sigma"), [(RGB, 128, 12.75), (RGB16, 32768, 3276.75), (FLOAT, 0.5, 0.05)])
def test_noise_has_the_wanted_deviation(photos, gray, sigma):
    photo = np.full((100, 100, 3), gray, photos.dtype)
    noisy = Noise(sigma=0.05)(photo, photos, 0)
    assert noisy.dtype == photos.dtype
    added = noisy.astype(np.float64) - photo
    assert added.mean() == pytest.approx(0, abs=0.02 * sigma)
    assert added.std() == pytest.approx(sigma, rel=0.02)
    assert abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.05


def test_noise_is_clipped_to_what_integers_hold_but_not_in_floats():
    black = Noise(sigma=0.2)(np.zeros((50, 50, 3), np.uint8), RGB, 0)
    assert (black == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert black.max() < 255
    assert Noise(sigma=0.2)(np.zeros((50, 50, 3), np.float32), FLOAT, 0).min() < 0


@pytest.mark.parametrize("kind", [Masked, Noise])
def test_chance_depends_on_seed_and_index_alone(kind):
    photo = noise() // 2
    first = kind(seed=1)(photo, RGB, 5)
    np.testing.assert_array_equal(kind(seed=1)(photo, RGB, 5), first)
    assert (kind(seed=1)(photo, RGB, 6) != first).any()
    assert (kind(seed=2)(photo, RGB, 5) != first).any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Edges(low=3, high=2), "edges have low=3 high=2; expected 0 <= low <= high"),
        (lambda: Edges(sigma=-1), "sigma is -1; expected a number, 0 or more"),
        (lambda: Downsampled(factor=1), "downsampled has factor=1; expected more than 1"),
        (lambda: Masked(share=1), "masked has share=1; expected a share between 0 and 1"),
        (lambda: Masked(place="left"), "place is 'left'; expected one of center, random"),
        (lambda: Masked(seed=-1), "seed is -1; expected a whole number, 0 or more"),
        (lambda: Noise(sigma=float("nan")), "sigma is nan; expected a number, 0 or more"),
    ],
)
def test_impossible_options_are_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()


# The source


def test_photos_of_a_split_and_its_sub_folders_are_targets_in_the_order_of_their_names(tmp_path):
    save(tmp_path, "train/b/x.png", "train/c.bmp", "train/a.png", "val/d.png")
    source = DerivedSource(str(tmp_path), "train", Grayscale())
    assert [source[i].name for i in range(len(source))] == ["a.png", "b/x.png", "c.bmp"]
    for index, seed in enumerate((2, 0, 1)):
        pair = source[index]
        np.testing.assert_array_equal(pair.b, noise(seed=seed))
        np.testing.assert_array_equal(pair.a, Grayscale()(noise(seed=seed), RGB, index))
    assert source.files(2) == (tmp_path / "train/c.bmp",)
    assert (source.a, source.b) == (Grayscale().input_type(RGB), RGB)
    with pytest.raises(IndexError):
        source[3]


@pytest.mark.parametrize("derive", [Masked(), Noise()])
def test_every_photo_has_its_own_draw_that_stays_the_same(tmp_path, derive):
    save(tmp_path, "train/a.png", "train/b.png")
    source, again = (DerivedSource(str(tmp_path), "train", derive) for _ in range(2))
    np.testing.assert_array_equal(source[1].a, derive(noise(seed=1), RGB, 1))
    np.testing.assert_array_equal(source[1].a, again[1].a)
    np.testing.assert_array_equal(source[1].a, source[1].a)


def test_one_folder_may_be_divided_by_fractions(tmp_path):
    save(tmp_path, *(f"{number:02d}.png" for number in range(20)))
    options = {"folder": ".", "fractions": {"train": 0.75, "val": 0.25}}
    names = {}
    for split in ("train", "val"):
        source = DerivedSource(str(tmp_path), split, Edges(), **options)
        names[split] = [source[i].name for i in range(len(source))]
    assert (len(names["train"]), len(names["val"])) == (15, 5)
    assert len({*names["train"], *names["val"]}) == 20
    other = DerivedSource(str(tmp_path), "val", Edges(), split_seed=1, **options)
    assert [other[i].name for i in range(5)] != names["val"]


def test_one_folder_may_be_divided_by_lists(tmp_path):
    save(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "val.txt").write_text("c.png\n")
    (tmp_path / "train.txt").write_text("a\nb\n")
    lists = {"train": "train.txt", "val": "val.txt"}
    [pair] = DerivedSource(str(tmp_path), "val", Edges(), folder=".", lists=lists)
    assert pair.name == "c.png"


def test_labels_are_no_photos(tmp_path):
    with pytest.raises(UserError, match=r"kind is colors, but inputs are computed from photos; expected continuous"):
        DerivedSource(str(tmp_path), "train", Edges(), ImageType(kind="colors"))


def test_a_missing_split_is_named_with_those_that_are_there(tmp_path):
    save(tmp_path, "train/a.png")
    with pytest.raises(UserError, match=rf"{tmp_path} has no folder 'val' \(its folders: train\)"):
        DerivedSource(str(tmp_path), "val", Edges())


def test_a_division_is_proposed_for_photos_in_one_folder(tmp_path):
    save(tmp_path, "a.png", "b.png")
    with pytest.raises(UserError, match=r"all in one folder, pass data.source.folder=. 'data.source.fractions={train:"):
        DerivedSource(str(tmp_path), "train", Edges())
    with pytest.raises(UserError, match=r"no folder 'photos' \(its folders: none\).*data\.val_split$"):
        DerivedSource(str(tmp_path), "train", Edges(), folder="photos", fractions={"train": 0.5, "val": 0.5})


def test_settings_have_the_derivation_and_all_its_options(tmp_path):
    save(tmp_path, "train/a.png")
    derivations = [Edges(), Edges(low=1), Grayscale(), Downsampled(), Downsampled(2), Masked(), Masked(seed=1), Noise()]
    settings = [DerivedSource(str(tmp_path), "train", derive).settings for derive in derivations]
    assert len({str(values) for values in settings}) == len(derivations)
    assert settings[1]["derive"] == {"kind": "Edges", "low": 1, "high": 200, "sigma": 1.0}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ([], Edges()),
        (["data/derive=grayscale"], Grayscale()),
        (["data/derive=downsampled", "data.source.derive.factor=2"], Downsampled(factor=2)),
        (["data/derive=masked", "data.source.derive.color=[1,2,3]"], Masked(color=[1, 2, 3])),
        (["data/derive=noise"], Noise()),
    ],
)
def test_the_derivation_is_a_choice_of_config(tmp_path, override: list[str], expected: Derivation):
    save(tmp_path, "train/a.png")
    with initialize_config_dir(version_base="1.3", config_dir=CONFIG_DIR):
        config = compose("train", ["data=derived", f"data.root={tmp_path}", *override])
    source = instantiate(config.data.source, _convert_="all")(root=config.data.root, split="train")
    assert source.derive == expected
    assert config.data.direction == "AtoB"


def test_the_input_is_computed_at_the_size_that_the_network_sees(tmp_path):
    save(tmp_path, "train/x.png")
    source = DerivedSource(str(tmp_path), "train", Edges())
    for size in ((12, 18), (48, 40)):
        pair = ResizedPairs(source, size)[0]
        assert (pair.a.shape, pair.b.shape) == ((*size, 1), (*size, 3))
        np.testing.assert_array_equal(pair.a, Edges()(pair.b, RGB, 0))
        assert set(np.unique(pair.a)) <= {0, 255}
        assert pair.name == "x.png"
    assert source[0].b.shape == (24, 36, 3)
