"""Damaged, lying and malicious files: an error that names the file, or the pixels that other programs see, too."""

import io
import os
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoders import HAS_AVIF, HAS_HEIF
from pix2pix_lit.images.files import read_image
from pix2pix_lit.images.image_type import RGB, ImageType

GRAY, GRAY16, BANDS = ImageType(channels=1), ImageType(channels=1, dtype="uint16"), ImageType(channels=5)
FLOATS = ImageType(channels=1, dtype="float32", range=(0, 255))
IDS = ImageType(kind="ids", channels=1, classes=16)
NO_HEIF = pytest.mark.skipif(HAS_HEIF, reason="a plug-in that reads it is installed")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are as Linux knows them")


def noise(channels: int, dtype: str = "uint8", seed: int = 0, size: tuple[int, int] = (11, 9)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (*size, channels), dtype)


def pillow(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image.squeeze())
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(image: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, metadata=None, **options)
    return file.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def indexed() -> Image.Image:
    image = Image.frombytes("P", (9, 11), (noise(1) // 16).tobytes())
    image.putpalette(bytes(range(48)))
    return image


def one_bit() -> Image.Image:
    return Image.fromarray(noise(1)[..., 0]).convert("1")


def smooth() -> Image.Image:
    return Image.fromarray(noise(3, size=(3, 3))).resize((9, 11))


STRIPS = {"compression": "zlib", "predictor": True, "rowsperstrip": 4}
TILES = {"photometric": "rgb", "tile": (16, 16), "compression": "packbits"}
PLANES = np.moveaxis(noise(5), -1, 0)
FILES: dict[str, tuple[Callable[[], bytes], ImageType]] = {
    "jpeg turned": (lambda: pillow(noise(3), "JPEG", quality=90, exif=turned()), RGB),
    "jpeg progressive": (lambda: pillow(smooth(), "JPEG", progressive=True), RGB),
    "jpeg gray": (lambda: pillow(noise(1), "JPEG"), GRAY),
    "jpeg cmyk": (lambda: pillow(Image.fromarray(noise(4), "CMYK"), "JPEG"), RGB),
    "png turned": (lambda: pillow(noise(3), "PNG", exif=turned()), RGB),
    "png palette": (lambda: pillow(indexed(), "PNG"), IDS),
    "png 16 bits": (lambda: bytes(imagecodecs.png_encode(noise(1, "uint16")[..., 0])), GRAY16),
    "png 1 bit": (lambda: pillow(one_bit(), "PNG"), GRAY),
    "bmp": (lambda: pillow(noise(3), "BMP"), RGB),
    "bmp palette": (lambda: pillow(indexed(), "BMP"), RGB),
    "bmp 1 bit": (lambda: pillow(one_bit(), "BMP"), GRAY),
    "webp turned": (lambda: pillow(noise(3), "WEBP", lossless=True, exif=turned()), RGB),
    "webp lossy": (lambda: pillow(smooth(), "WEBP"), RGB),
    "tiff": (lambda: tiff(noise(3), photometric="rgb"), RGB),
    "tiff lzw turned": (lambda: pillow(noise(3), "TIFF", compression="tiff_lzw", exif=turned()), RGB),
    "tiff strips": (
        lambda: tiff(noise(1, "uint16")[..., 0], **STRIPS),
        GRAY16,
    ),
    "tiff floats": (lambda: tiff(noise(1)[..., 0].astype(np.float32), compression="lzw", predictor=True), FLOATS),
    "tiff tiles": (
        lambda: tiff(noise(3, size=(33, 20)), **TILES),
        RGB,
    ),
    "tiff pages": (lambda: tiff(PLANES, photometric="minisblack"), BANDS),
    "tiff planes": (lambda: tiff(PLANES, photometric="minisblack", planarconfig="separate", compression="zlib"), BANDS),
    "tiff palette": (lambda: pillow(indexed(), "TIFF"), IDS),
    "tiff 1 bit": (lambda: pillow(one_bit(), "TIFF"), GRAY),
    "gif": (lambda: pillow(indexed(), "GIF"), RGB),
    "tga": (lambda: pillow(noise(3), "TGA"), RGB),
    "tga packed": (lambda: pillow(smooth(), "TGA", compression="tga_rle"), RGB),
    "tga palette": (lambda: pillow(indexed(), "TGA"), IDS),
    "netpbm": (lambda: b"P6 9 11 255\n" + noise(3).tobytes(), RGB),
    "netpbm 16 bits": (lambda: b"P5\n#\n9 11 65535\n" + noise(1, "uint16").astype(">u2").tobytes(), GRAY16),
    "netpbm bitmap": (lambda: pillow(one_bit(), "PPM"), GRAY),
    "jp2": (lambda: pillow(noise(3), "JPEG2000"), RGB),
    "jp2 lossy": (lambda: pillow(smooth(), "JPEG2000", quality_layers=[20], irreversible=True), RGB),
    "jp2 16 bits": (lambda: pillow(Image.fromarray(noise(1, "uint16")[..., 0]), "JPEG2000"), GRAY16),
    "j2k": (lambda: pillow(noise(1), "JPEG2000", no_jp2=True), GRAY),
    **({"avif turned": (lambda: pillow(smooth(), "AVIF", exif=turned()), RGB)} if HAS_AVIF else {}),
    "npy": (lambda: npy(noise(3)), RGB),
    "npy floats": (lambda: npy(noise(1).astype(np.float64)), FLOATS),
}


def outcome(path: Path, content: bytes, image_type: ImageType) -> np.ndarray | None:
    """The pixels, or None for an error that is for people and names the file."""
    path.unlink(missing_ok=True)  # some file systems wait for the disk if a file is overwritten
    path.write_bytes(content)
    try:
        return read_image(path, image_type)
    except UserError as error:
        if not str(error).startswith(f"{path} "):
            raise
        return None


def path_of(folder: Path, name: str) -> Path:
    return folder / ("x.tga" if name.startswith("tga") else "x")  # whose content does not show its format


def other_programs(content: bytes) -> Iterator[np.ndarray]:
    """What Pillow, tifffile and numpy see."""
    file = io.BytesIO(content)
    if content.startswith(b"\x93NUMPY"):
        yield np.load(file, allow_pickle=False)
        return
    try:
        with Image.open(file) as image:
            image = ImageOps.exif_transpose(image)
            yield np.asarray(image)
            if image.mode in ("P", "RGBA", "CMYK", "1", "L", "LA"):
                yield np.asarray(image.convert("RGB"))
                yield np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError):
        pass
    if content[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(content)) as tiff_file:
            yield np.stack([page.asarray() for page in tiff_file.pages], -1)
            yield np.moveaxis(tiff_file.pages[0].asarray(), 0, -1)


def is_seen_by_others(pixels: np.ndarray, content: bytes) -> bool:
    others = (other.squeeze().astype(pixels.dtype) for other in other_programs(content))
    return any(np.array_equal(pixels.squeeze(), other) for other in others)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_an_error_unless_all_pixels_are_there(tmp_path, name, capfd):
    write, image_type = FILES[name]
    intact = write()
    expected = outcome(path_of(tmp_path, name), intact, image_type)
    assert expected is not None
    end = max(0, len(intact) - 150)  # from here on every byte, since only what is behind the pixels may be missing
    errors, lengths = 0, [*range(0, end, 1 + end // 100), *range(end, len(intact))]
    for length in lengths:
        found = outcome(path_of(tmp_path, name), intact[:length], image_type)
        errors += found is None
        if found is not None:
            np.testing.assert_array_equal(found, expected)
    beyond_pixels = 26 if name.startswith("tga") else 16  # TGA ends in a mark, TIFF in tags that are not about pixels
    assert errors >= len(lengths) - beyond_pixels
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Pillow about EXIF and of numpy about old headers
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_an_error_or_what_other_programs_see(tmp_path, name, capfd, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # or a damaged header asks for seconds of zeros
    write, image_type = FILES[name]
    intact = write()
    expected = outcome(path_of(tmp_path, name), intact, image_type)
    rng = np.random.default_rng(len(name))
    others = []
    for _ in range(250):
        damaged = bytearray(intact)
        position = int(rng.integers(min(len(intact), rng.choice([len(intact), 120]))))
        match rng.integers(3):
            case 0:
                damaged[position] ^= 1 << int(rng.integers(8))
            case 1:
                damaged[position] = int(rng.integers(256))
            case 2:
                damaged[position:position] = rng.bytes(int(rng.integers(1, 5)))
        found = outcome(path_of(tmp_path, name), bytes(damaged), image_type)
        if found is not None and not np.array_equal(found, expected):
            others.append((found, bytes(damaged)))
    assert capfd.readouterr().err == ""
    for found, damaged in others:
        assert is_seen_by_others(found, damaged), damaged


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(value)) + kind + value + struct.pack(">I", zlib.crc32(kind + value))
        for kind, value in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width: int, height: int, bits: int = 8, color: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)


def patched(content: bytes, offset: int, kind: str, *values: int) -> bytes:
    return content[:offset] + struct.pack(kind, *values) + content[offset + struct.calcsize(kind) :]


def tiff_tag(content: bytes, tag: int, *, count: int | None = None, value: int | None = None) -> bytes:
    """A little-endian TIFF with another count or 32-bit value of a tag of its first page."""
    (offset,) = struct.unpack_from("<I", content, 4)
    (tags,) = struct.unpack_from("<H", content, offset)
    entries = range(offset + 2, offset + 2 + 12 * tags, 12)
    entry = next(entry for entry in entries if struct.unpack_from("<H", content, entry) == (tag,))
    content = content if count is None else patched(content, entry + 4, "<I", count)
    return content if value is None else patched(patched(content, entry + 2, "<H", 4), entry + 8, "<I", value)


def npy_header(text: str, content: bytes = bytes(64)) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + content


def with_jpeg_size(height: int, width: int) -> bytes:
    content = pillow(noise(3), "JPEG")
    return patched(content, content.index(b"\xff\xc0") + 5, ">HH", height, width)


def with_webp_size(width: int, height: int) -> bytes:
    """An extended WebP (VP8X) has its size as two 24-bit numbers."""
    content = pillow(noise(4), "WEBP", lossless=True, exif=turned())
    assert content[12:16] == b"VP8X"
    return content[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + content[30:]


def with_jp2_size(width: int, height: int, tile: int | None = None) -> bytes:
    content = pillow(noise(3), "JPEG2000", no_jp2=True)
    content = patched(content, 8, ">II", width, height)
    return content if tile is None else patched(content, 24, ">II", tile, tile)


def with_avif_size(width: int, height: int) -> bytes:
    content = pillow(smooth(), "AVIF")
    return patched(content, content.index(b"ispe") + 8, ">II", width, height)


def liars() -> dict[str, bytes]:
    """Files of a few hundred bytes whose headers speak of gigabytes."""
    plain, packed = tiff(noise(3), photometric="rgb"), tiff(noise(1)[..., 0], compression="zlib")
    big = 100_000
    return {
        "jpeg": with_jpeg_size(65_000, 65_000),
        "png": png(png_header(big, big), (b"IDAT", zlib.compress(b""))),
        "png 16 bits": png(png_header(big, big, bits=16), (b"IDAT", zlib.compress(b""))),
        "png text": png(png_header(1, 1), (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28))), (b"IDAT", b"")),
        "bmp": patched(pillow(noise(3), "BMP"), 18, "<ii", big, big),
        "webp": with_webp_size(16_000, 16_000),
        "gif": patched(patched(pillow(indexed(), "GIF"), 6, "<HH", 65535, 65535), 13 + 48 + 5, "<HH", 65535, 65535),
        "gif screen": patched(pillow(indexed(), "GIF"), 6, "<HH", 65535, 65535),
        "x.tga": patched(pillow(noise(3), "TGA"), 12, "<HH", 65535, 65535),
        "packed.tga": patched(pillow(smooth(), "TGA", compression="tga_rle"), 12, "<HH", 65535, 65535),
        "netpbm": b"P6 99999 99999 255\n" + bytes(64),
        "netpbm plain": b"P2 9999 9999 255\n" + b"1 " * 64,
        "netpbm digits": b"P6 999999999 999999999 65535\n",
        "netpbm comment": b"P6\n" + b"#" * 10**6,
        "jp2": with_jp2_size(60_000, 60_000),
        "jp2 tiles": with_jp2_size(16_000, 11_000, tile=1),
        "jp2 one tile": with_jp2_size(16_000, 11_000, tile=16_000),
        "jp2 channels": patched(pillow(noise(3), "JPEG2000", no_jp2=True), 40, ">H", 16_384),
        **({"avif": with_avif_size(60_000, 60_000)} if HAS_AVIF else {}),
        "tiff": tiff_tag(tiff_tag(plain, 256, value=big), 257, value=big),
        "tiff packed": tiff_tag(tiff_tag(packed, 256, value=big), 257, value=big),
        "tiff samples": tiff_tag(tiff_tag(plain, 277, value=65_535), 257, value=big),
        "tiff strips": tiff_tag(plain, 273, count=0x7FFFFFFF),
        "tiff sizes": tiff_tag(plain, 279, value=0x7FFFFFFF),
        "tiff tags": patched(plain, 8, "<H", 0xFFFF),
        "npy": npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 100000), }\n"),
        "npy overflow": npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n"),
        "npy header": b"\x93NUMPY\2\0" + struct.pack("<I", 0xFFFFFFF0) + b"{" * 100,
    }


READ_ALL_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from pix2pix_lit.errors import UserError
from pix2pix_lit.images.decoders import HAS_AVIF, HAS_HEIF
from pix2pix_lit.images.files import read_image
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 200 * 2**20,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(path.name, read_image(path).shape)
    except UserError as error:
        print("MemoryError" if "MemoryError" in str(error) else "ok")
"""


@pytest.mark.slow
@LINUX
def test_headers_that_lie_about_sizes_take_no_memory(tmp_path, run_python):
    contents = liars()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    output = run_python(tmp_path, "-c", READ_ALL_IN_LITTLE_MEMORY, str(tmp_path))
    assert output.split("\n") == ["ok"] * len(contents) + [""]


def refused(path: Path, content: bytes, message: str, image_type: ImageType = RGB) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_image(path, image_type)


def test_a_ring_of_tiff_pages_has_an_end(tmp_path):
    content = tiff(np.moveaxis(noise(120), -1, 0), photometric="minisblack")
    links, offset = [], struct.unpack_from("<I", content, 4)[0]
    while offset:
        links.append(offset + 2 + 12 * struct.unpack_from("<H", content, offset)[0])
        (offset,) = struct.unpack_from("<I", content, links[-1])
    ring = patched(content, links[-1], "<I", struct.unpack_from("<I", content, links[0])[0])
    refused(tmp_path / "x.tif", ring, r"the list of pages is circular", ImageType(channels=120))


def test_a_broken_link_between_pages_does_not_hide_them(tmp_path):
    content = tiff(np.moveaxis(noise(2), -1, 0), photometric="minisblack")
    (offset,) = struct.unpack_from("<I", content, 4)
    link = offset + 2 + 12 * struct.unpack_from("<H", content, offset)[0]
    refused(tmp_path / "x.tif", patched(content, link, "<I", len(content) + 50), "cannot be read as an image", GRAY)


def test_a_broken_page_does_not_hide_behind_others(tmp_path):
    content = tiff(np.moveaxis(noise(2), -1, 0), photometric="minisblack")
    (offset,) = struct.unpack_from("<I", content, 4)
    (second,) = struct.unpack_from("<I", content, offset + 2 + 12 * struct.unpack_from("<H", content, offset)[0])
    too_many_tags = patched(content, second, "<H", 5000) + bytes(12 * 5000)
    refused(tmp_path / "x.tif", too_many_tags, "cannot be read as an image", GRAY)


def test_rows_that_a_tiff_does_not_hold_are_not_made_of_what_follows(tmp_path):
    content = tiff_tag(tiff(noise(3), photometric="rgb"), 278, value=0xFFFFFFFF)  # all rows in one strip
    assert outcome(tmp_path / "x.tif", content, RGB) is not None
    refused(tmp_path / "x.tif", tiff_tag(content + bytes(999), 257, value=12), "cannot be read as an image")


def test_an_array_file_that_holds_more_than_its_array_is_damaged(tmp_path):
    refused(tmp_path / "x.npy", npy(noise(3)) + b"0", "298 bytes for an array of shape .11, 9, 3. and type uint8")


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["BOMB"],))


def test_no_code_in_an_array_file_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    content = npy(np.array([[Bomb()]], dtype=object), allow_pickle=True)
    refused(tmp_path / "x.npy", content, "is an array of shape .1, 1. and type object")
    refused(tmp_path / "x.npy", pickle.dumps(Bomb()), "cannot be read as an image")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "array",
    [np.zeros(5), np.zeros((1, 2, 3, 4)), np.zeros((0, 4)), np.zeros((2, 2), complex), np.array([["a", "b"]])],
    ids=lambda array: f"{array.shape} {array.dtype}",
)
def test_arrays_that_are_no_images_are_named(tmp_path, array):
    message = r"is an array of shape .* expected numbers of shape \(H, W\) or \(H, W, N\)"
    refused(tmp_path / "x.npy", npy(array), message)


def test_an_archive_of_arrays_is_no_array(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("arr_0.npy", npy(noise(3)))
    refused(tmp_path / "x.npy", file.getvalue(), "cannot be read as an image")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tiff(noise(3, size=(16, 16)), photometric="rgb", compression="jpeg"), "is a TIFF compressed by JPEG; .*LZW"),
        (tiff(noise(3, size=(16, 16)), photometric="rgb", compression="jpeg2000"), "is a TIFF compressed by JPEG"),
        (tiff(noise(3), photometric="rgb", compression="zstd"), "is a TIFF compressed by ZSTD"),
        (pillow(one_bit(), "TIFF", compression="group4"), "is a TIFF compressed by CCITTFAX4"),
        (tiff(np.zeros((4, 5), np.complex64)), "is a TIFF of 64 bits a sample .* expected integers of 1, 2"),
        (tiff_tag(tiff(noise(1, "uint16")[..., 0]), 258, value=12), "is a TIFF of 12 bits a sample"),
        (pillow(smooth().convert("LAB"), "TIFF"), "is a TIFF of photometric interpretation CIELAB"),
        (tiff(noise(4), photometric="rgb", extrasamples=["assocalpha"]), "transparent TIFF .* multiplied by its alpha"),
    ],
    ids=["jpeg", "jpeg 2000", "zstd", "fax", "complex", "12 bits", "lab", "multiplied"],
)
def test_unusual_tiffs_are_refused_by_name(tmp_path, content, message):
    refused(tmp_path / "x.tif", content, rf"x\.tif .*{message}")


HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(HEIC, "HEIC file, .*not supported: pip install pillow-heif, or convert", marks=NO_HEIF),
        (b"\xff\n" + bytes(64), "a JPEG XL file, which is not supported: convert it to PNG or TIFF"),
        (b"8BPS\0\1" + bytes(64), "a Photoshop file, which is not supported"),
        (
            patched(pillow(noise(3), "JPEG2000", no_jp2=True), 42, "B", 3),
            "JPEG 2000 file of signed or subsampled channels",
        ),
        (
            patched(pillow(noise(3), "JPEG2000", no_jp2=True), 43, "B", 2),
            "JPEG 2000 file of signed or subsampled channels",
        ),
        (
            pillow(indexed().convert("RGB"), "JPEG2000").replace(b"colr\1\0\0\0\0\0\x10", b"colr\1\0\0\0\0\0\x12"),
            "colour space",
        ),
    ],
    ids=["heic", "jxl", "psd", "jp2 4 bits", "jp2 subsampled", "jp2 sycc"],
)
def test_formats_that_are_not_read_are_named_whatever_the_file_is_called(tmp_path, content, message):
    refused(tmp_path / "x.jpg", content, rf"x\.jpg is .*{message}")


def test_a_device_or_a_pipe_is_not_waited_for(tmp_path):
    if sys.platform == "win32":
        pytest.skip("no named pipes there")
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(UserError, match=r"x\.png cannot be read as an image \(it is a device or a pipe\)"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_animations_are_refused(tmp_path, kind):
    frames = [Image.fromarray(noise(3, seed=seed)) for seed in range(3)]
    content = pillow(frames[0], kind, save_all=True, append_images=frames[1:])
    refused(tmp_path / "x", content, "is an animation of 3 pictures; expected one: save the wanted one as a file")


@pytest.mark.parametrize("name", ["png turned", "png palette", "png 16 bits", "png 1 bit"])
def test_every_byte_of_a_png_is_under_a_checksum(tmp_path, name):
    write, image_type = FILES[name]
    intact = write()
    for position in range(len(intact)):
        damaged = intact[:position] + bytes([intact[position] ^ 16]) + intact[position + 1 :]
        assert outcome(tmp_path / "x", damaged, image_type) is None, position


def test_an_index_beyond_the_palette_is_named_where_colours_are_wanted(tmp_path):
    rows = zlib.compress(b"\0\0\1\2")
    content = png(png_header(3, 1, color=3), (b"PLTE", bytes(6)), (b"IDAT", rows))
    refused(tmp_path / "x.png", content, "uses colour 2 of a palette of 2")
    assert read_image(tmp_path / "x.png", IDS).ravel().tolist() == [0, 1, 2]
