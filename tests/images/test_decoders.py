"""Every format, depth and number of channels: what one program writes is what we read."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pix2pix_lit.images.decoders import HAS_AVIF
from pix2pix_lit.images.files import WRITTEN_SUFFIXES, read_image, suffix_for, write_image
from pix2pix_lit.images.image_type import ImageType

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
SEEDS = st.integers(0, 2**32 - 1)


def examples(count: int) -> settings:
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=count,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example removes its file
    )


def new_file(folder: Path, suffix: str) -> Path:
    """A file that does not exist yet: some file systems wait for the disk if one is overwritten."""
    path = folder / f"x{suffix}"
    path.unlink(missing_ok=True)
    return path


def noise(height: int, width: int, channels: int, dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(0, 1e3, (height, width, channels)).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def type_of(image: np.ndarray) -> ImageType:
    dtype = image.dtype.name
    return ImageType(channels=image.shape[-1], dtype=dtype, range=(-1e4, 1e4) if dtype == "float32" else None)


def flat(image: np.ndarray) -> np.ndarray:
    return image[..., 0] if image.shape[-1] == 1 else image


def pillow(path: Path, image: np.ndarray, **options) -> None:
    Image.fromarray(flat(image)).save(path, **options)


def opencv(path: Path, image: np.ndarray) -> None:
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[-1]]
    assert cv2.imwrite(str(path), image[..., order], [cv2.IMWRITE_WEBP_QUALITY, 101])


def tiff(path: Path, image: np.ndarray, **options) -> None:
    kind = {1: {}, 3: {"photometric": "rgb"}}.get(image.shape[-1], {"planarconfig": "contig"})
    tifffile.imwrite(path, flat(image), metadata=None, **({"photometric": "minisblack"} | kind | options))


def planes(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, np.moveaxis(image, -1, 0), photometric="minisblack", planarconfig="separate", metadata=None)


def pages(path: Path, image: np.ndarray, **options) -> None:
    with tifffile.TiffWriter(path) as file:
        for page in np.moveaxis(image, -1, 0):
            file.write(page, photometric="minisblack", metadata=None, **options)


def pillow_pages(path: Path, image: np.ndarray) -> None:
    first, *others = (Image.fromarray(page) for page in np.moveaxis(image, -1, 0))
    first.save(path, save_all=True, append_images=others)


def numpy(path: Path, image: np.ndarray) -> None:
    np.save(path, image)


def numpy_columns(path: Path, image: np.ndarray) -> None:
    np.save(path, np.asfortranarray(flat(image)))


def numpy_big_endian(path: Path, image: np.ndarray) -> None:
    np.save(path, image.astype(image.dtype.newbyteorder(">")))


def with_options(writer: Callable[..., None], **options) -> Callable[[Path, np.ndarray], None]:
    return lambda path, image: writer(path, image, **options)


STRIPS = {"rowsperstrip": 2, "compression": "lzw", "predictor": True}
CASES: list[tuple[str, str, Callable[[Path, np.ndarray], None], tuple[int, ...], tuple[str, ...]]] = [
    ("Pillow", ".png", pillow, (1, 2, 3, 4), ("uint8",)),
    ("Pillow", ".png", pillow, (1,), ("uint16",)),
    ("OpenCV", ".png", opencv, (1, 3, 4), ("uint8", "uint16")),
    ("Pillow", ".bmp", pillow, (1, 3), ("uint8",)),
    ("OpenCV", ".bmp", opencv, (1, 3), ("uint8",)),
    ("Pillow", ".webp", with_options(pillow, lossless=True, exact=True), (1, 3, 4), ("uint8",)),
    ("OpenCV", ".webp", opencv, (3,), ("uint8",)),
    ("Pillow", ".tif", pillow, (1, 2, 3, 4), ("uint8",)),
    ("Pillow", ".tif", pillow, (1,), ("uint16", "float32")),
    ("Pillow LZW", ".tif", with_options(pillow, compression="tiff_lzw"), (1, 3, 4), ("uint8",)),
    ("Pillow deflate", ".tif", with_options(pillow, compression="tiff_deflate"), (1, 3), ("uint8",)),
    ("Pillow PackBits", ".tif", with_options(pillow, compression="packbits"), (1, 3), ("uint8",)),
    ("Pillow pages", ".tif", pillow_pages, (2, 5), ("uint8", "uint16", "float32")),
    ("OpenCV", ".tif", opencv, (1, 3, 4), ("uint8", "uint16")),
    ("OpenCV", ".tif", opencv, (1, 3), ("float32",)),
    ("tifffile", ".tif", tiff, (1, 2, 3, 7), ("uint8", "uint16", "float32")),
    ("tifffile big endian", ".tif", with_options(tiff, byteorder=">"), (1, 3, 5), ("uint16", "float32")),
    ("tifffile BigTIFF", ".tif", with_options(tiff, bigtiff=True), (3, 5), ("uint8",)),
    (
        "tifffile strips",
        ".tif",
        with_options(tiff, **STRIPS),
        (1, 3),
        ("uint16",),
    ),
    ("tifffile tiles", ".tif", with_options(tiff, tile=(16, 16), compression="zlib"), (1, 3, 6), ("uint8", "float32")),
    ("tifffile planes", ".tif", planes, (2, 5), ("uint8", "uint16", "float32")),
    ("tifffile pages", ".tif", pages, (2, 4, 9), ("uint8", "uint16", "float32")),
    ("tifffile pages", ".tif", with_options(pages, compression="zlib"), (5,), ("uint16",)),
    ("Pillow", ".ppm", pillow, (1, 3), ("uint8",)),
    ("Pillow", ".pgm", pillow, (1,), ("uint16",)),
    ("OpenCV", ".ppm", opencv, (3,), ("uint8", "uint16")),
    ("OpenCV", ".pgm", opencv, (1,), ("uint8", "uint16")),
    ("Pillow", ".tga", pillow, (1, 2, 3, 4), ("uint8",)),
    ("Pillow packed", ".tga", with_options(pillow, compression="tga_rle"), (1, 3, 4), ("uint8",)),
    ("Pillow", ".jp2", pillow, (1, 2, 3, 4), ("uint8",)),
    ("Pillow", ".jp2", pillow, (1,), ("uint16",)),
    ("Pillow", ".j2k", pillow, (1, 3), ("uint8",)),
    ("Pillow", ".gif", pillow, (1,), ("uint8",)),
    ("numpy", ".npy", numpy, (1, 2, 3, 4, 11), ("uint8", "uint16", "float32")),
    ("numpy, columns first", ".npy", numpy_columns, (1, 3), ("uint8", "uint16", "float32")),
    ("numpy big endian", ".npy", numpy_big_endian, (1, 3), ("uint16", "float32")),
]
EVERY_CASE = [
    pytest.param(suffix, writer, channels, dtype, id=f"{name} {suffix[1:]} {channels} {dtype}")
    for name, suffix, writer, counts, dtypes in CASES
    for channels in counts
    for dtype in dtypes
]


@pytest.mark.parametrize(("suffix", "writer", "channels", "dtype"), EVERY_CASE)
@examples(6)
@given(size=SIZES, seed=SEEDS)
def test_what_other_programs_write_is_read(tmp_path, suffix, writer, channels, dtype, size, seed):
    image, path = noise(*size, channels, dtype, seed), new_file(tmp_path, suffix)
    writer(path, image)
    found = read_image(path, type_of(image))
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found, image)


WRITABLE = [(suffix, channels, "uint8") for suffix in (".bmp", ".webp") for channels in (1, 3)]
WRITABLE += [(".png", channels, dtype) for channels in (1, 2, 3, 4) for dtype in ("uint8", "uint16")]
WRITABLE += [
    (suffix, channels, dtype)
    for suffix in (".tif", ".tiff", ".npy")
    for channels in (1, 2, 3, 4, 5, 12)
    for dtype in ("uint8", "uint16", "float32")
]


@pytest.mark.parametrize(("suffix", "channels", "dtype"), WRITABLE)
@examples(6)
@given(size=SIZES, seed=SEEDS)
def test_what_we_write_is_read_back(tmp_path, suffix, channels, dtype, size, seed):
    image, path = noise(*size, channels, dtype, seed), new_file(tmp_path, suffix)
    write_image(path, image)
    found = read_image(path, type_of(image))
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype", "mode"),
    [
        (".png", 1, "uint8", "L"),
        (".png", 1, "uint16", "I;16"),
        (".png", 4, "uint8", "RGBA"),
        (".tif", 1, "float32", "F"),
        (".tif", 3, "uint8", "RGB"),
        (".tif", 4, "uint8", "RGBA"),
        (".jpg", 1, "uint8", "L"),
        (".bmp", 1, "uint8", "L"),
        (".webp", 3, "uint8", "RGB"),
    ],
)
def test_other_programs_read_what_we_write(tmp_path, suffix, channels, dtype, mode):
    image = noise(6, 7, channels, dtype, 0)
    write_image(tmp_path / f"x{suffix}", image)
    with Image.open(tmp_path / f"x{suffix}") as found:
        assert found.mode == mode
        if suffix != ".jpg":
            np.testing.assert_array_equal(np.asarray(found), flat(image))


def test_other_programs_read_sixteen_bit_colour_that_we_write(tmp_path):
    image = noise(6, 7, 3, "uint16", 0)
    for name in ("x.png", "x.tif"):
        write_image(tmp_path / name, image)
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)[..., ::-1], image)


@pytest.mark.parametrize("suffix", [*WRITTEN_SUFFIXES, ".JPG", ".gif"])
@pytest.mark.parametrize(
    "image_type",
    [
        ImageType(),
        ImageType(channels=1),
        ImageType(channels=2),
        ImageType(channels=4, dtype="uint16"),
        ImageType(channels=1, dtype="float32", range=(0, 1)),
        ImageType(channels=7),
        ImageType(kind="colors"),
        ImageType(kind="ids", channels=1, classes=256),
        ImageType(kind="ids", channels=1, classes=300, dtype="uint16"),
    ],
    ids=str,
)
def test_the_suffix_for_a_type_holds_its_images(tmp_path, suffix, image_type):
    found = suffix_for(suffix, image_type)
    image = noise(4, 5, image_type.channels, image_type.dtype, 0)
    if image_type.classes is not None:
        image %= np.array(image_type.classes - 1, image.dtype)
    write_image(tmp_path / f"x{found}", image)
    back = read_image(tmp_path / f"x{found}", image_type)
    if found.lower() in (".jpg", ".jpeg"):
        assert image_type.kind == "continuous"
    else:
        np.testing.assert_array_equal(back, image)


def test_a_suffix_is_changed_only_where_it_must_be():
    expected = {
        (".jpg", ImageType()): ".jpg",
        (".JPG", ImageType(channels=1)): ".JPG",
        (".webp", ImageType(kind="colors")): ".webp",
        (".jpeg", ImageType(kind="colors")): ".png",
        (".jpg", ImageType(kind="ids", channels=1, classes=5)): ".png",
        (".bmp", ImageType(channels=1, dtype="uint16")): ".png",
        (".tif", ImageType(channels=1, dtype="uint16")): ".tif",
        (".npy", ImageType()): ".npy",
        (".png", ImageType(channels=5)): ".tif",
        (".jpg", ImageType(dtype="float32", range=(0, 1))): ".tif",
        (".gif", ImageType()): ".png",
    }
    assert {key: suffix_for(*key) for key in expected} == expected


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@examples(4)
@given(size=SIZES, seed=SEEDS)
def test_images_are_turned_upright_as_pillow_turns_them(tmp_path, suffix, orientation, size, seed):
    path = new_file(tmp_path, suffix)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pillow(path, noise(*size, 3, "uint8", seed), exif=exif, **({"lossless": True} if suffix == ".webp" else {}))
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(path), np.asarray(ImageOps.exif_transpose(image)))


def png_with(content: bytes, kind: bytes, value: bytes, before: bytes) -> bytes:
    """A PNG file with one more chunk."""
    chunk = struct.pack(">I", len(value)) + kind + value + struct.pack(">I", zlib.crc32(kind + value))
    position = content.rindex(before) - 4
    return content[:position] + chunk + content[position:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_pngs_orientation_counts_wherever_it_is(tmp_path, before):
    image = noise(4, 6, 3, "uint8", 0)
    pillow(tmp_path / "x.png", image)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = png_with((tmp_path / "x.png").read_bytes(), b"eXIf", exif.tobytes()[6:], before)
    (tmp_path / "x.png").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.rot90(image, -1))


PLAIN, PROGRESSIVE = {}, {"progressive": True}
JPEGS = [(mode, options) for mode in ("RGB", "L", "CMYK") for options in (PLAIN, PROGRESSIVE)]
JPEGS += [("RGB", {"subsampling": 0}), ("RGB", {"keep_rgb": True})]


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize(("mode", "options"), JPEGS)
def test_jpegs_have_pillows_pixels(tmp_path, mode, options, quality):
    image = Image.fromarray(noise(19, 35, 3, "uint8", 0)).resize((70, 38)).convert(mode)
    image.save(tmp_path / "x.jpg", quality=quality, **options)
    with Image.open(tmp_path / "x.jpg") as expected:
        np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), np.asarray(expected.convert("RGB")))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_png_of_fewer_than_eight_bits_has_shades_and_numbers(tmp_path, bits):
    numbers = np.arange(2**bits, dtype=np.uint8)[None].repeat(3, 0)
    packed = np.packbits(np.unpackbits(numbers[..., None], axis=-1)[..., 8 - bits :].reshape(3, -1), axis=-1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", 2**bits, 3, bits, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    for kind, value in ((b"IHDR", header), (b"IDAT", zlib.compress(rows))):
        content = png_with(content, kind, value, b"IEND")
    (tmp_path / "x.png").write_bytes(content)
    shades = numbers * (255 // (2**bits - 1))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", ImageType(channels=1))[..., 0], shades)
    ids = ImageType(kind="ids", channels=1, classes=2**bits)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", ids)[..., 0], numbers)
    (tmp_path / "x.png").write_bytes(png_with(content, b"tRNS", b"\0\1", b"IDAT"))
    alpha = read_image(tmp_path / "x.png", ImageType(channels=2))[..., 1]
    np.testing.assert_array_equal(alpha, np.where(numbers == 1, 0, 255))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", ids)[..., 0], numbers)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_one_bit_images_are_black_and_white_or_two_classes(tmp_path, suffix):
    numbers = noise(5, 11, 1, "uint8", 0) % 2
    Image.fromarray(numbers[..., 0] * 255).convert("1").save(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), numbers.repeat(3, -1) * 255)
    ids = ImageType(kind="ids", channels=1, classes=2)
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}", ids), numbers)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("colors", [2, 3, 16, 256])
def test_a_palette_gives_colours_or_indices(tmp_path, suffix, colors):
    palette = noise(colors, 3, 1, "uint8", 1)[..., 0]
    indices = noise(9, 7, 1, "uint8", 2) % np.uint8(min(colors, 255))
    image = Image.frombytes("P", (7, 9), indices.tobytes())
    image.putpalette(palette.tobytes())
    image.save(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), palette[indices[..., 0]])
    ids = ImageType(kind="ids", channels=1, classes=256)
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}", ids), indices)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path, dtype):
    image = noise(5, 6, 1, dtype, 0)
    tifffile.imwrite(tmp_path / "x.tif", image[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", type_of(image)), np.iinfo(dtype).max - image)


@pytest.mark.parametrize("unit", [1, 257])
def test_a_tiffs_palette_may_have_eight_bits_or_sixteen(tmp_path, unit):
    palette = noise(256, 3, 1, "uint8", 1)[..., 0]
    indices = noise(9, 7, 1, "uint8", 2)[..., 0]
    tifffile.imwrite(tmp_path / "x.tif", indices, colormap=palette.T.astype(np.uint16) * unit)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif"), palette[indices])


def test_a_tiffs_smaller_copies_are_no_pages(tmp_path):
    image = noise(32, 32, 3, "uint8", 0)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(image, photometric="rgb", metadata=None)
        file.write(image[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif"), image)


def test_every_page_of_a_tiff_is_turned_upright(tmp_path):
    image = noise(4, 6, 2, "uint8", 0)
    pages(tmp_path / "x.tif", image, extratags=[(0x0112, "H", 1, 8, True)])
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", ImageType(channels=2)), np.rot90(image))


def test_a_phones_jpeg_with_a_second_picture_for_its_viewer_is_its_first(tmp_path):
    first, second = (Image.fromarray(noise(16, 16, 3, "uint8", seed)) for seed in (0, 1))
    first.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[second])
    first.save(tmp_path / "first.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), read_image(tmp_path / "first.jpg"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_has_opencvs_pixels_in_their_own_depth(tmp_path, channels, dtype):
    image = noise(19, 35, channels, dtype, 0)
    (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(flat(image), level=30))
    expected = cv2.imread(str(tmp_path / "x.jp2"), cv2.IMREAD_UNCHANGED).reshape(19, 35, channels)[..., ::-1]
    found = read_image(tmp_path / "x.jp2", ImageType(channels=channels, dtype=dtype))
    np.testing.assert_array_equal(found, expected)


def test_a_twelve_bit_jpeg_2000_has_the_numbers_that_are_in_it(tmp_path):
    image = noise(9, 8, 1, "uint16", 0) // 16
    (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(image[..., 0], level=0, bitspersample=12))
    np.testing.assert_array_equal(read_image(tmp_path / "x.jp2", ImageType(channels=1, dtype="uint16")), image)


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow cannot read it")
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_avif_has_the_pixels_of_libavif(tmp_path, mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(9, 14, len(mode), "uint8", 0)).save(tmp_path / "x.avif", exif=exif)
    expected = imagecodecs.avif_decode((tmp_path / "x.avif").read_bytes())
    expected = expected if orientation == 1 else np.rot90(expected, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "x.avif", ImageType(channels=len(mode))), expected)


def test_the_first_picture_of_an_animated_gif_is_read(tmp_path):
    frames = [Image.fromarray(noise(9, 14, 1, "uint8", seed)[..., 0]) for seed in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(tmp_path / "x.gif", ImageType(channels=1))[..., 0], np.asarray(frames[0]))
    expected = imagecodecs.gif_decode((tmp_path / "x.gif").read_bytes(), index=0)
    np.testing.assert_array_equal(read_image(tmp_path / "x.gif"), expected[..., :3])


@pytest.mark.parametrize("top_first", [True, False])
def test_a_tga_made_by_hand_is_read_from_either_end_whatever_it_is_packed_by(tmp_path, top_first):
    image = noise(5, 4, 3, "uint8", 0)
    rows = (image if top_first else image[::-1])[..., ::-1]
    image_type, descriptor = (10, 0x20) if top_first else (2, 0)
    header = struct.pack("<BBB5xHHHHBB", 0, 0, image_type, 0, 0, 4, 5, 24, descriptor)
    packets = b"".join(b"\3" + row.tobytes() for row in rows)  # of four pixels that are not repeated
    (tmp_path / "x.TGA").write_bytes(header + (packets if image_type == 10 else rows.tobytes()))
    np.testing.assert_array_equal(read_image(tmp_path / "x.TGA"), image)


def test_bits_of_a_tga_that_are_not_declared_as_alpha_are_not_alpha(tmp_path):
    image = noise(5, 4, 4, "uint8", 0)
    image[..., 3] = 0
    header = struct.pack("<BBB5xHHHHBB", 0, 0, 2, 0, 0, 4, 5, 32, 0x20)
    (tmp_path / "x.tga").write_bytes(header + image[..., [2, 1, 0, 3]].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "x.tga"), image[..., :3])


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".jif"])
def test_jpegs_have_many_endings(tmp_path, suffix):
    Image.fromarray(noise(8, 8, 3, "uint8", 0)).save(tmp_path / "x.jpg")
    (tmp_path / f"x{suffix}").write_bytes((tmp_path / "x.jpg").read_bytes())
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), read_image(tmp_path / "x.jpg"))


def test_contents_tell_the_format_whatever_a_file_is_called(tmp_path):
    image = noise(4, 5, 3, "uint8", 0)
    for suffix in (".png", ".bmp", ".tif", ".webp", ".npy"):
        write_image(tmp_path / f"x{suffix}", image)
        (tmp_path / f"x{suffix}").rename(tmp_path / "x.jpg")
        np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), image)


def test_images_can_be_written_to(tmp_path):
    for suffix in WRITTEN_SUFFIXES:
        write_image(tmp_path / f"x{suffix}", noise(4, 5, 3, "uint8", 0))
        image = read_image(tmp_path / f"x{suffix}")
        image[0] = 7
        assert image.flags.c_contiguous
        assert io.BytesIO(image).getvalue()[:15] == b"\7" * 15
