"""Translating videos."""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pix2pix_lit.errors import UserError
from pix2pix_lit.inference.video import reader as video_reader
from pix2pix_lit.inference.video.translation import VIDEO_SUFFIXES, translate_video

av = pytest.importorskip("av")

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
QUICK = {
    ".webm": {"deadline": "realtime", "cpu-used": "8"},
    ".avi": {"bf": "0"},
}  # AVI has no times for reordered frames
NTSC = Fraction(30000, 1001)
BT709, BT601, BT2020 = (1, 1), (5, 6), (9, 9)  # swscale's number of the matrix and the one that files have
COLORS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255], [0, 0, 0], [255, 255, 255]],
    np.uint8,
)
ACCURATE = av.video.reformatter.Interpolation.AREA | av.video.reformatter.Interpolation.ACCURATE_RND


def counting(number: int, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Frames that can be distinguished: each is one shade lighter by 10 than the one before."""
    return [np.full((*size, 3), 20 + 10 * i, np.uint8) for i in range(number)]


def numbers(frames: np.ndarray) -> list[int]:
    """Which frames of ``counting`` these are."""
    return [round((float(frame.mean()) - 20) / 10) for frame in frames]


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    rate: Fraction = Fraction(25),
    starts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str | None = None,
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    matrix: tuple[int, int] | None = None,
    full_range: bool = False,
    sound: str | None = None,
    prepare: Callable[[Any], None] = lambda stream: None,
) -> Path:
    """A video file of these frames; with ``starts``, the last is shown three times as long as the first."""
    with av.open(str(path), "w", FORMATS[path.suffix]) as container:
        stream = container.add_stream(codec or ("libvpx-vp9" if path.suffix == ".webm" else "libx264"), rate)
        stream.options = options or QUICK.get(path.suffix, {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = time_base or 1 / rate
        stream.codec_context.flags |= av.codec.context.Flags.frame_duration
        if matrix:
            stream.codec_context.colorspace = matrix[1]
            stream.codec_context.color_range = 2 if full_range else 1
        prepare(stream)
        audio = container.add_stream(sound, 48000) if sound else None
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image)).reformat(
                format=pixels,
                dst_colorspace=matrix[0] if matrix else 5,
                dst_color_range=2 if full_range else 1,
                interpolation=ACCURATE,
            )
            if starts is None:
                frame.pts, frame.duration = i, 1
            else:
                frame.pts = starts[i]
                frame.duration = starts[i + 1] - starts[i] if i + 1 < len(starts) else 3 * (starts[1] - starts[0])
            frame.time_base = time_base or 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio:
            for start in range(0, round(len(frames) / rate * 48000), 960):
                wave = np.sin(np.arange(start, start + 960, dtype=np.float32) / 17)[None].repeat(2, 0)
                samples = av.AudioFrame.from_ndarray(wave, "fltp", "stereo")
                samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
                container.mux(audio.encode(samples))
            container.mux(audio.encode())
    return path


def read_frames(path: Path) -> np.ndarray:
    """(N, H, W, 3) uint8 RGB, as PyAV shows them."""
    with av.open(str(path)) as container:
        frames = [frame.reformat(format="rgb24", interpolation=ACCURATE) for frame in container.decode(video=0)]
        return np.stack([frame.to_ndarray() for frame in frames])


def read_times(path: Path) -> list[Fraction]:
    """When the frames are shown, in seconds."""
    with av.open(str(path)) as container:
        # PyAV guesses those of AVI wrongly, which has but the order in which frames are decoded.
        times = [frame.dts if path.suffix == ".avi" else frame.pts for frame in container.decode(video=0)]
        return [time * container.streams.video[0].time_base for time in times]


def read_sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def stream_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return {
            "rate": stream.average_rate,
            "time_base": stream.time_base,
            "size": (context.height, context.width),
            "codec": context.name,
            "pixels": context.pix_fmt,
            "matrix": context.colorspace,
            "range": context.color_range,
            "aspect": stream.sample_aspect_ratio,
            "seconds": container.duration / av.time_base,
        }


def same(frames: np.ndarray) -> np.ndarray:
    return frames


class Recorder:
    """A translation that changes nothing and keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        self.batches.append(frames.copy())
        return frames

    @property
    def frames(self) -> np.ndarray:
        return np.concatenate(self.batches)


def never(frames: np.ndarray) -> np.ndarray:
    raise AssertionError("a frame was read")


def refused(source: Path, target: Path, message: str, translate: Callable[[np.ndarray], np.ndarray] = same) -> None:
    """Check that a translation is refused with this message and leaves nothing behind."""
    before = sorted(target.parent.iterdir())
    with pytest.raises(UserError, match=message):
        translate_video(source, target, translate, 4)
    assert sorted(target.parent.iterdir()) == before


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_every_frame_is_translated_once_and_in_order(tmp_path, suffix):
    source = write_video(tmp_path / f"in{suffix}", counting(20))
    recorder, progress = Recorder(), []
    target = tmp_path / f"out{suffix}"
    assert translate_video(source, target, recorder, 7, lambda *counts: progress.append(counts)) == 20
    assert [len(batch) for batch in recorder.batches] == [count for count, _ in progress] == [7, 7, 6]
    assert {expected for _, expected in progress} == {20}
    assert recorder.batches[0].shape == (7, 48, 64, 3)
    assert recorder.batches[0].dtype == np.uint8
    assert numbers(recorder.frames) == list(range(20))
    assert numbers(read_frames(tmp_path / f"out{suffix}")) == list(range(20))


def test_what_is_written_are_the_translations(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(5))
    translate_video(source, tmp_path / "out.mp4", lambda frames: 255 - frames, 2)
    assert numbers(255 - read_frames(tmp_path / "out.mp4")) == list(range(5))


def test_translations_may_have_another_size(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(3))
    translate_video(source, tmp_path / "out.mp4", lambda frames: frames.repeat(2, 1)[:, :, :32], 2)
    assert stream_of(tmp_path / "out.mp4")["size"] == (96, 32)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("rate", [Fraction(25), NTSC])
def test_an_even_pace_is_kept(tmp_path, suffix, rate):
    source = write_video(tmp_path / f"in{suffix}", counting(10), rate)
    translate_video(source, tmp_path / f"out{suffix}", same, 4)
    assert stream_of(tmp_path / f"out{suffix}")["rate"] == rate
    assert read_times(tmp_path / f"out{suffix}") == read_times(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_an_uneven_pace_and_a_late_start_are_kept(tmp_path, suffix):
    starts = [30000 + 1001 * i + 300 * i * i for i in range(8)]
    source = write_video(tmp_path / f"in{suffix}", counting(8), NTSC, starts, Fraction(1, 30000))
    translate_video(source, tmp_path / f"out{suffix}", same, 3)
    assert read_times(tmp_path / f"out{suffix}") == read_times(source)
    for key in ("time_base", "rate", "seconds"):
        assert stream_of(tmp_path / f"out{suffix}")[key] == stream_of(source)[key]


def test_avi_refuses_an_uneven_pace_and_keeps_gaps_in_an_even_one(tmp_path):
    uneven = write_video(tmp_path / "uneven.mp4", counting(4), starts=[0, 41, 80, 133], time_base=Fraction(1, 1000))
    refused(uneven, tmp_path / "out.avi", r"out\.avi does not support a variable frame rate.* choose .*\.mp4 or \.mkv")
    gaps = write_video(tmp_path / "gaps.mp4", counting(4), starts=[0, 1, 4, 5])
    translate_video(gaps, tmp_path / "out.avi", same, 2)
    assert read_times(tmp_path / "out.avi") == [Fraction(time, 25) for time in (0, 1, 4, 5)]


def test_frames_that_are_not_in_order_in_avi_get_times_in_order(tmp_path):
    source = write_video(tmp_path / "in.avi", counting(9), codec="mpeg4", options={"bf": "2"})
    recorder = Recorder()
    translate_video(source, tmp_path / "out.mp4", recorder, 4)
    assert numbers(recorder.frames) == list(range(9))
    assert read_times(tmp_path / "out.mp4") == [Fraction(i, 25) for i in range(9)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_frames_are_turned_as_players_show_them(tmp_path, degrees, mirrored):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    source = write_video(
        tmp_path / "in.mp4",
        [image] * 3,
        matrix=BT601,
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored),
    )
    shown = np.rot90(image, degrees // 90)
    shown = shown[:, ::-1] if mirrored else shown
    recorder = Recorder()
    translate_video(source, tmp_path / "out.mp4", recorder, 2)
    written = read_frames(tmp_path / "out.mp4")
    assert recorder.frames.shape == written.shape == (3, *shown.shape)
    assert np.abs(recorder.frames - shown.astype(int)).mean() < 10
    assert np.abs(written - shown.astype(int)).mean() < 10
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_pixels_that_are_not_square_stay_so_and_turn_with_the_frame(tmp_path):
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)

    source = write_video(tmp_path / "in.mp4", counting(2), prepare=prepare)
    translate_video(source, tmp_path / "out.mp4", same, 2)
    assert stream_of(tmp_path / "out.mp4")["aspect"] == Fraction(3, 4)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("size", [(47, 64), (48, 63), (47, 63)])
def test_odd_sides_are_kept(tmp_path, suffix, size):
    source = write_video(tmp_path / "in.mkv", counting(3, size), pixels="yuv444p")
    recorder = Recorder()
    translate_video(source, tmp_path / f"out{suffix}", recorder, 2)
    assert recorder.frames.shape[1:3] == size
    assert read_frames(tmp_path / f"out{suffix}").shape == (3, *size, 3)


def test_even_sides_are_written_in_what_all_players_show(tmp_path):
    source = write_video(tmp_path / "in.mkv", counting(2), pixels="yuv444p")
    translate_video(source, tmp_path / "out.mp4", same, 2)
    written = stream_of(tmp_path / "out.mp4")
    assert (written["codec"], written["pixels"], written["range"]) == ("h264", "yuv420p", 1)
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_interlaced_frames_are_deinterlaced(tmp_path):
    def picture(time: float) -> np.ndarray:
        image = np.full((96, 128, 3), 40, np.uint8)
        image[20:70, round(8 + 8 * time) : round(28 + 8 * time)] = 220
        return image

    frames = [picture(i) for i in range(9)]
    for i, frame in enumerate(frames):
        frame[1::2] = picture(i + 0.5)[1::2]
    interlaced = {"crf": "5", "flags": "+ilme+ildct", "x264-params": "tff=1"}
    source = write_video(tmp_path / "in.mp4", frames, options=interlaced)
    recorder = Recorder()
    translate_video(source, tmp_path / "out.mp4", recorder, 4)

    def combs(shown: np.ndarray) -> float:
        return float(np.abs(np.diff(shown[..., 0].astype(int), axis=1)).mean())

    assert combs(recorder.frames) < combs(read_frames(source)) / 4
    assert read_times(tmp_path / "out.mp4") == read_times(source)
    assert stream_of(tmp_path / "out.mp4")["rate"] == 25


@pytest.mark.parametrize(
    ("suffix", "matrix", "full_range"),
    [
        (".mp4", BT709, False),
        (".mp4", BT709, True),
        (".mp4", BT601, False),
        (".mp4", BT601, True),
        (".mp4", BT2020, False),
        (".webm", BT709, False),
        (".avi", BT601, False),
    ],
)
def test_saturated_colors_pass_unchanged(tmp_path, suffix, matrix, full_range):
    image = COLORS[None].repeat(32, 0).repeat(32, 1)
    inside = np.abs(np.arange(256) % 32 - 15.5) < 10  # of the stripes, since 4:2:0 blurs their edges

    def mean_error(frames: np.ndarray) -> float:
        return float(np.abs(frames - image.astype(int))[:, :, inside].mean())

    source = write_video(tmp_path / "in.mkv", [image] * 3, options={"crf": "5"}, matrix=matrix, full_range=full_range)
    recorder, again = Recorder(), Recorder()
    translate_video(source, tmp_path / f"out{suffix}", recorder, 2)
    translate_video(tmp_path / f"out{suffix}", tmp_path / "again.mp4", again, 2)
    assert mean_error(recorder.frames) < 0.6
    assert mean_error(again.frames) < 1.2
    assert mean_error(read_frames(tmp_path / f"out{suffix}")) < 1.2
    assert stream_of(tmp_path / f"out{suffix}")["matrix"] == matrix[1]


@pytest.mark.parametrize(("size", "matrix"), [((32, 128), 5), ((578, 64), 1), ((32, 1280), 1)])
def test_colors_of_an_unnamed_kind_are_recognised_by_the_size(tmp_path, size, matrix):
    image = np.full((*size, 3), (20, 200, 60), np.uint8)
    source = write_video(tmp_path / "in.mp4", [image], matrix=(matrix, 2))
    recorder = Recorder()
    translate_video(source, tmp_path / "out.mp4", recorder, 1)
    assert np.abs(recorder.frames - image.astype(int)).mean() < 2


def test_rgb_within_a_video_is_read_as_it_is(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    source = write_video(tmp_path / "in.mov", [image] * 2, codec="png", pixels="rgb24")
    recorder = Recorder()
    translate_video(source, tmp_path / "out.mp4", recorder, 2)
    assert np.array_equal(recorder.frames, [image] * 2)


@pytest.mark.parametrize(
    ("source", "target", "sound"),
    [
        ("in.mp4", "out.mp4", "aac"),
        ("in.mov", "out.mov", "pcm_s16le"),
        ("in.mkv", "out.mkv", "libopus"),
        ("in.mkv", "out.webm", "libopus"),
        ("in.avi", "out.mp4", "libmp3lame"),
    ],
)
def test_sound_is_copied(tmp_path, source, target, sound):
    write_video(tmp_path / source, counting(20), sound=sound)
    assert translate_video(tmp_path / source, tmp_path / target, same, 4) == 20
    assert len(read_sound(tmp_path / source)) > 10
    assert read_sound(tmp_path / target) == read_sound(tmp_path / source)


def test_sound_that_the_kind_of_file_cannot_hold_is_left_out_with_a_line_in_the_log(tmp_path, caplog):
    source = write_video(tmp_path / "in.mp4", counting(5), sound="aac")
    with caplog.at_level(logging.WARNING):
        assert translate_video(source, tmp_path / "out.webm", same, 4) == 5
    assert "audio in aac is left out, since .webm files do not support it" in caplog.text
    with av.open(str(tmp_path / "out.webm")) as container:
        assert not container.streams.audio


def test_much_sound_and_few_frames_are_not_held_back(tmp_path, monkeypatch):
    monkeypatch.setattr(video_reader, "_MOST_PACKETS", 3)
    source = write_video(tmp_path / "in.mkv", counting(8), rate=Fraction(5), sound="libopus")
    recorder = Recorder()
    assert translate_video(source, tmp_path / "out.mkv", recorder, 4) == 8
    assert numbers(recorder.frames) == list(range(8))
    assert read_sound(tmp_path / "out.mkv") == read_sound(source)


def test_content_tells_the_format(tmp_path):
    source = write_video(tmp_path / "in.mkv", counting(3)).rename(tmp_path / "in.mp4")
    assert translate_video(source, tmp_path / "out.mp4", same, 4) == 3


@pytest.mark.parametrize("name", ["a:b.mp4", "%d [1].mp4", "ü ~.mp4", "UPPER.MP4", "x" * 251 + ".mp4"])
def test_odd_names_work_too(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4", counting(2)).rename(tmp_path / name)
    assert translate_video(Path(name), Path("out") / name, same, 4) == 2
    assert len(read_frames(tmp_path / "out" / name)) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_file_that_is_cut_short_is_refused(tmp_path, suffix, part):
    noise = np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), np.uint8)
    intact = write_video(tmp_path / f"intact{suffix}", list(noise)).read_bytes()
    (tmp_path / f"in{suffix}").write_bytes(intact[: round(len(intact) * part)])
    refused(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", rf"in{suffix} cannot be read as a video .* replace")


def test_a_streamed_mp4_that_is_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), np.uint8)
    with av.open(str(tmp_path / "in.mp4"), "w", container_options={"movflags": "+frag_keyframe+empty_moov"}) as output:
        stream = output.add_stream("libx264", 25, {"g": "3"})
        stream.height, stream.width = 48, 64
        for image in noise:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        output.mux(stream.encode())
    content = (tmp_path / "in.mp4").read_bytes()
    assert translate_video(tmp_path / "in.mp4", tmp_path / "out.mkv", same, 4) == 10
    (tmp_path / "in.mp4").write_bytes(content[: len(content) * 3 // 4])
    refused(tmp_path / "in.mp4", tmp_path / "out.mp4", r"in\.mp4 cannot be read as a video \(it is cut short\)")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_damaged_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), np.uint8)
    source = write_video(tmp_path / f"in{suffix}", list(noise))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    source.write_bytes(content)
    refused(source, tmp_path / f"out{suffix}", rf"in{suffix} cannot be read as a video .* replace or remove it")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI ", b"\0\0\0\x18ftypmp42"])
def test_what_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "in.mp4").write_bytes(content)
    refused(
        tmp_path / "in.mp4", tmp_path / "out.mp4", r"in\.mp4 cannot be read as a video .* expected an intact MP4", never
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_an_image_that_is_called_a_video_is_refused(tmp_path, suffix):
    from pix2pix_lit.images.files import write_image

    write_image(tmp_path / f"x{suffix}", np.zeros((8, 8, 3), np.uint8))
    source = (tmp_path / f"x{suffix}").rename(tmp_path / "in.mp4")
    refused(source, tmp_path / "out.mp4", r"in\.mp4 cannot be read as a video", never)


def test_sound_without_a_video_is_refused(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("aac", 48000)
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        samples.sample_rate = 48000
        container.mux(stream.encode(samples))
        container.mux(stream.encode())
    refused(
        tmp_path / "in.mp4", tmp_path / "out.mp4", r"in\.mp4 cannot be read as a video \(it contains no video\)", never
    )


def test_the_cover_of_a_video_is_not_taken_for_it(tmp_path):
    from av.stream import Disposition

    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        cover = container.add_stream("mjpeg", 1, width=16, height=16, pix_fmt="yuvj420p")
        cover.disposition = Disposition.attached_pic
        stream = container.add_stream("libx264", 25, width=64, height=48)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
        for image in counting(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    recorder = Recorder()
    assert translate_video(tmp_path / "in.mp4", tmp_path / "out.mp4", recorder, 4) == 3
    assert recorder.frames.shape == (3, 48, 64, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/x.mp4\n#EXT-X-ENDLIST\n",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><BaseURL>{secret}</BaseURL></AdaptationSet></Period></MPD>",
    ],
    ids=["playlist of a file", "script", "playlist of an address", "manifest"],
)
def test_lists_of_other_files_are_not_followed(tmp_path, suffix, script):
    secret = write_video(tmp_path / "secret.mp4", counting(3))
    source = tmp_path / f"in{suffix}"
    source.write_text(script.format(secret=secret))
    refused(source, tmp_path / f"out{suffix}", rf"in{suffix} cannot be read as a video", never)


def test_an_error_of_the_translation_stops_everything_and_keeps_the_earlier_file(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(20), sound="aac")
    (tmp_path / "out.mp4").write_text("before")
    calls: list[int] = []

    def fail_in_the_third(frames: np.ndarray) -> np.ndarray:
        calls.append(len(frames))
        if len(calls) == 3:
            raise ArithmeticError("no more")
        return frames

    with pytest.raises(ArithmeticError, match="no more"):
        translate_video(source, tmp_path / "out.mp4", fail_in_the_third, 2)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "before"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("video")]


def test_an_error_of_writing_reaches_the_caller(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(20))
    with pytest.raises(ValueError, match="zip"):
        translate_video(source, tmp_path / "out.mp4", lambda frames: frames[1:], 2)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("video")]


def test_one_batch_is_read_ahead_and_no_more(tmp_path, monkeypatch):
    source = write_video(tmp_path / "in.mp4", counting(20))
    read, ahead = [0], threading.Semaphore(0)
    as_image = video_reader.VideoReader._image

    def counted(reader: Any, frame: Any) -> np.ndarray:
        read[0] += 1
        ahead.release()
        return as_image(reader, frame)

    monkeypatch.setattr(video_reader.VideoReader, "_image", counted)
    given = 0

    def translate(frames: np.ndarray) -> np.ndarray:
        nonlocal given
        given += len(frames)
        for _ in range(min(given + 4, 20) - given if given > 4 else 8):
            assert ahead.acquire(timeout=10), "nothing is read while a batch is translated"
        assert read[0] <= given + 4
        return frames

    assert translate_video(source, tmp_path / "out.mp4", translate, 4) == 20


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refused(tmp_path / "in.mp4", tmp_path / "out.mp4", r"in\.mp4 does not exist; expected a video file", never)
    (tmp_path / "in.mp4").mkdir()
    refused(tmp_path / "in.mp4", tmp_path / "out.mp4", r"in\.mp4 is not a file; expected a video file", never)


def test_a_target_that_cannot_be_written_is_refused(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(2))
    (tmp_path / "out.mp4").mkdir()
    (tmp_path / "file").touch()
    refused(source, tmp_path / "out.gif", r"out\.gif ends in '\.gif'; videos are written as one of \.mp4, ", never)
    refused(source, tmp_path / "out.mp4", r"out\.mp4 is a folder; expected the name of a file", never)
    with pytest.raises(
        UserError, match=r"file/out\.mp4 cannot be written .* expected a writable folder with enough space"
    ):
        translate_video(source, tmp_path / "file/out.mp4", never, 4)
    refused(
        source,
        tmp_path / "wide.mp4",
        r"wide\.mp4 cannot be written .* size that the format supports",
        lambda frames: np.zeros((len(frames), 2, 20000, 3), np.uint8),
    )


def test_no_frames_in_a_batch_are_refused(tmp_path):
    source = write_video(tmp_path / "in.mp4", counting(2))
    with pytest.raises(UserError, match=r"batch_size is 0; expected a whole number, 1 or more"):
        translate_video(source, tmp_path / "out.mp4", never, 0)


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        UserError, match=r"in\.mp4 can only be translated with PyAV.*pip install 'pix2pix-lit\[video\]'"
    ):
        translate_video(tmp_path / "in.mp4", tmp_path / "out.mp4", never, 4)


def test_without_the_encoder_the_message_says_what_to_do(tmp_path, monkeypatch):
    from av.codec.codec import UnknownCodecError

    def lacking(name: str, mode: str) -> None:
        raise UnknownCodecError(name)

    monkeypatch.setattr("av.codec.Codec", lacking)
    source = write_video(tmp_path / "in.mp4", counting(2))
    refused(
        source, tmp_path / "out.mp4", r"needs the encoder libx264, .* lacks; .* write a file ending in \.webm", never
    )
