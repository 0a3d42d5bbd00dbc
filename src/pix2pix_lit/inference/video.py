"""Video files: every frame translated, at its own time and with the sound that goes with it.

A video is read, translated and written at once, a batch of frames in each of the three, so that memory does not grow
with its length.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.replacement import replacement_of

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame
    from av.container import InputContainer
    from av.filter.graph import Graph

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
"""File name endings that count as videos, compared without regard to case."""

_FORMATS = "mov,matroska,avi"  # FFmpeg's names; MP4 and M4V are read as the first, WebM as the second
_MOST_PIXELS = 2**27  # 16384 x 8192, more than any camera has; a header may claim any number
_MOST_PACKETS = 4096  # of sound in a batch, where frames are few

# Kinds of colour by their numbers in ITU-T H.273, which files have.
_BT709, _BT601, _UNSPECIFIED = 1, 6, 2
_SWSCALE_MATRICES = {_BT709: 1, 4: 4, 5: 5, _BT601: 5, 7: 7, 9: 9}  # the numbers that FFmpeg's converter has for them
_LIMITED_RANGE = 1  # luma from 16 to 235, which all players expect of 8 bits; FFmpeg's number


class _Output(NamedTuple):
    """How a kind of file is written: FFmpeg's names of its container and encoder, and their options."""

    container: str
    encoder: str
    encoder_options: dict[str, str]
    container_options: dict[str, str]


_H264 = {"crf": "18"}  # hardly to be told from the original by eye
_INDEX_FIRST = {"movflags": "+faststart"}  # so that a browser plays it while it loads
_OUTPUTS = {
    ".mp4": _Output("mp4", "libx264", _H264, _INDEX_FIRST),
    ".m4v": _Output("mp4", "libx264", _H264, _INDEX_FIRST),
    ".mov": _Output("mov", "libx264", _H264, _INDEX_FIRST),
    ".mkv": _Output("matroska", "libx264", _H264, {}),
    # In AVI its place alone tells when a frame is shown, so frames must be shown in the order of the file, and must not
    # be moved on because the sound starts before them.
    ".avi": _Output("avi", "libx264", _H264 | {"bf": "0"}, {"avoid_negative_ts": "disabled"}),
    ".webm": _Output("webm", "libvpx-vp9", {"crf": "20", "deadline": "good", "cpu-used": "4", "row-mt": "1"}, {}),
}


class _Look(NamedTuple):
    """What the numbers of a video mean: the kinds of its colours, and the width of a pixel by its height."""

    matrix: int
    primaries: int
    transfer: int
    pixel_aspect: Fraction | None


class _Time(NamedTuple):
    """When a frame is shown, and for how long (0 if that is not known), in units of the source's time base."""

    start: int
    duration: int


@dataclass
class _Batch:
    """Frames that follow each other, (H, W, 3) uint8 RGB, and the packets of sound among which they are in the file."""

    images: list[np.ndarray] = field(default_factory=list)
    times: list[_Time] = field(default_factory=list)
    sound: list["Packet[Any]"] = field(default_factory=list)


def translate_video(
    source: Path,
    target: Path,
    translate: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
    on_frames: Callable[[int], None] | None = None,
) -> int:
    """Write a video whose frames are translations of another's, shown when those are, with the same sound.

    Frames are given upright, as players show them; interlaced ones are made whole, and those that change their size
    on the way are scaled to that of the first. Written is H.264 (``.mp4``, ``.m4v``, ``.mov``, ``.mkv``, ``.avi``) or
    VP9 (``.webm``) of 8 bits, of the size of the translations, with the source's kinds of colour. H.264 is 4:2:0 where
    both sides are even, else 4:4:4, which fewer players show. Pixels that are not square stay so, but in WebM.

    Times are kept exactly in MP4 and MOV, to the millisecond in Matroska and WebM, whose unit it is, where all may be
    moved on together by what the sound has before it starts; AVI can only hold frames at an even pace. Sound is copied
    as it is, but what the target's kind of file cannot hold is left out with a line in the log. Subtitles, further
    videos, chapters and titles are left out.

    Args:
        source: a file of one of the kinds of ``VIDEO_SUFFIXES``, of which its content tells, not its name.
        target: where the video goes, ending in one of ``VIDEO_SUFFIXES``; folders are made as needed. It appears under
            its name only when whole.
        translate: (N, H, W, 3) uint8 RGB -> (N, H', W', 3) uint8 RGB, N from 1 to ``batch_size``. Called in this
            thread, while the batch after is read and the batch before is written in others.
        batch_size: most frames in a batch.
        on_frames: called with the number of frames in a batch when that is translated.

    Returns:
        The number of frames.

    Raises:
        UserError: if PyAV is not installed or lacks the encoder; if the source is missing, damaged, cut short or holds
            no video; if the target cannot be written or cannot hold what is to go there. Nothing is left under its
            name then, but for what was there before; so it is after any error of the functions.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{source} can only be translated with PyAV, which is not installed: pip install 'pix2pix-lit[video]'"
        ) from error
    if batch_size < 1:
        raise UserError(f"batch_size={batch_size}; expected 1 or more")
    output = _output(target)
    with _opened(source) as container:
        reader = _Reader(source, container)
        with _write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        with replacement_of(target) as temporary:
            return _translate(
                reader.batches(batch_size),
                translate,
                lambda size: _Writer(target, temporary, output, reader, size),
                on_frames,
            )


def _translate(
    batches: Iterator[_Batch],
    translate: Callable[[np.ndarray], np.ndarray],
    begin: Callable[[tuple[int, int]], "_Writer"],
    on_frames: Callable[[int], None] | None,
) -> int:
    """Translate a batch while the next one is read and the last one is written, each in a thread of its own.

    What goes wrong in them is raised here; what goes wrong here leaves once they are through with a batch and ended.
    """
    count = 0
    writer: _Writer | None = None
    writing: Future[None] | None = None
    with ExitStack() as files, ThreadPoolExecutor(2, thread_name_prefix="video") as threads:
        reading = threads.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = threads.submit(next, batches, None)
            images = list(translate(np.stack(batch.images))) if batch.images else []
            if writer is None:
                writer = begin(images[0].shape[:2])
                files.callback(writer.close)
            if writing is not None:
                writing.result()
            writing = threads.submit(writer.write, images, batch)
            count += len(images)
            if on_frames is not None and images:
                on_frames(len(images))
        if writer is not None and writing is not None:
            writing.result()
            writer.finish()
    return count


def _output(target: Path) -> _Output:
    """How a file of that name is written, if it can be."""
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    output = _OUTPUTS.get(target.suffix.lower())
    if output is None:
        raise UserError(f"{target} ends in {target.suffix!r}; videos are written as one of {', '.join(VIDEO_SUFFIXES)}")
    if target.is_dir():
        raise UserError(f"{target} is a folder; expected the name of a file to write: choose another")
    try:
        Codec(output.encoder, "w")
    except UnknownCodecError as error:
        others = ", ".join(suffix for suffix in VIDEO_SUFFIXES if _OUTPUTS[suffix].encoder != output.encoder)
        raise UserError(
            f"{target} needs the encoder {output.encoder}, which the installed PyAV lacks; expected PyAV as PyPI has "
            f"it: pip install --force-reinstall --only-binary av av; or write a file ending in {others}"
        ) from error
    return output


def _opened(source: Path) -> "InputContainer":
    """The file, read as one of ``_FORMATS`` whatever it is called.

    Others that FFmpeg knows are not files but lists of them, such as playlists, whose content would make it read any
    file and any address.
    """
    import av

    if not source.is_file():
        found = "is no file" if source.exists() else "does not exist"
        raise UserError(f"{source} {found}; expected a video file: check the path")
    try:
        whole = _promised_size(source) <= source.stat().st_size
        if whole:
            return av.open(
                str(source.absolute()),  # "a:b.mp4" would be an address
                container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
    except (OSError, av.FFmpegError) as error:
        raise _unreadable(source, error.strerror or error) from error
    raise _unreadable(source, "it is cut short")


def _promised_size(source: Path) -> int:
    """Bytes that an AVI, Matroska or WebM file says it has; 0 for others, whose packets show it if some are missing.

    In RIFF, AVI's frame, the size stands behind the name. RFC 8794, section 6: Matroska is a header and a segment, each
    of a name, a size and a content. Sizes are unknown where nobody came back to write them.
    """
    with source.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"RIFF"):
        size = int.from_bytes(start[4:8], "little")
        return size + 8 if size < 2**32 - 1 else 0
    if not start.startswith(b"\x1a\x45\xdf\xa3"):
        return 0
    segment = sum(_ebml_size(start, 4))
    return sum(_ebml_size(start, segment + 4)) if start[segment : segment + 4] == b"\x18\x53\x80\x67" else 0


def _ebml_size(data: bytes, position: int) -> tuple[int, int]:
    """The size that stands at a position, 0 if it is unknown, and the position behind it."""
    length = 9 - int.from_bytes(data[position : position + 1], "big").bit_length()
    all_ones = (1 << 7 * length) - 1
    size = int.from_bytes(data[position : position + length], "big") & all_ones
    return size if size < all_ones else 0, position + length


def _unreadable(source: Path, why: object) -> UserError:
    return UserError(
        f"{source} cannot be read as a video ({why}); expected an intact MP4, MOV, Matroska, WebM or AVI file: it is "
        f"damaged or no video; if a player still shows it, convert it there, else replace or remove it"
    )


class _Reader:
    """What an opened file holds, read once.

    Attributes:
        sounds: the streams of sound.
        rate: frames in a second, on average.
        pace: the same without frames that are left out, such as those of a camera in the dark.
        time_base: seconds in a unit of time.
        look: of all frames; known from the first batch on.
    """

    look: _Look

    def __init__(self, source: Path, container: "InputContainer") -> None:
        from av.stream import Disposition
        from av.video.reformatter import VideoReformatter

        videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not videos:
            raise _unreadable(source, "it holds no video")
        self._source, self._container, self._video = source, container, videos[0]
        if self._video.codec_context is None or not self._video.time_base:
            raise _unreadable(source, "the installed PyAV does not know this kind of video")
        # One thread is as fast as the rest. With a slice a thread H.264's decoder does not tell of damage; with a frame
        # a thread PyAV loses errors in the last frames.
        self._video.thread_type = "NONE"
        self.sounds = list(container.streams.audio)
        self.rate = self._video.average_rate or self._video.guessed_rate or Fraction(25)
        self.pace = self._video.guessed_rate or self.rate
        self.time_base = self._video.time_base
        self._size = (0, 0)
        self._turn: tuple[int, int, int, int] | None = None
        self._last_start: int | None = None
        self._expected_start = 0
        self._is_avi = container.format.name == "avi"
        self._times_in_avi: deque[int] = deque()
        self._packets = 0
        self._deinterlacer = _Deinterlacer()
        self._converter = VideoReformatter()

    def batches(self, batch_size: int) -> Iterator[_Batch]:
        """All frames in the order in which they are shown, upright, and all sound; the first batch has a frame."""
        import av

        batch = _Batch()
        try:
            for packet in self._container.demux(self._video, *self.sounds):
                if packet.is_corrupt:
                    raise _unreadable(self._source, "it is cut short")
                if packet.stream.index == self._video.index:
                    for frame in self._decode(packet):
                        batch.images.append(self._image(frame))
                        batch.times.append(self._time(frame))
                        if len(batch.images) == batch_size:
                            yield batch
                            batch = _Batch()
                elif packet.dts is not None:  # None at the end, to make a decoder give what it has left
                    batch.sound.append(packet)
                    if len(batch.sound) >= _MOST_PACKETS and self._last_start is not None:
                        yield batch
                        batch = _Batch()
        except (OSError, av.FFmpegError) as error:
            raise _unreadable(self._source, error.strerror or error) from error
        # The index of an AVI file has its frames, and those whose beginning is damaged are passed over without a word.
        if self._is_avi and self._packets < sum(entry.size > 0 for entry in self._video.index_entries):
            raise _unreadable(self._source, "some of its frames are damaged")
        if self._size == (0, 0):
            raise _unreadable(self._source, "it holds no frame")
        yield batch

    def _decode(self, packet: "Packet[Any]") -> Iterator["VideoFrame"]:
        if packet.size == 0 and packet.dts is not None:  # PyAV would take it for the end
            return
        if packet.dts is not None and self._is_avi:
            self._times_in_avi.append(packet.dts)
            self._packets += 1
        for frame in packet.decode():
            if frame.is_corrupt:  # the decoder made up what it could not read
                raise _unreadable(self._source, "some of its frames are damaged")
            if self._times_in_avi:  # those of packets; when frames come in another order, it has no times for them
                frame.pts = self._times_in_avi.popleft()
            if self._size == (0, 0):
                self._begin(frame)
            yield from self._deinterlacer.put(frame)
        if packet.size == 0:
            yield from self._deinterlacer.put(None)

    def _begin(self, frame: "VideoFrame") -> None:
        if frame.width * frame.height > _MOST_PIXELS:
            raise _unreadable(self._source, f"its frames of {frame.width}x{frame.height} pixels are too large")
        self._size = frame.width, frame.height
        matrix = frame.colorspace
        if matrix not in _SWSCALE_MATRICES:  # untold as a rule; this is what players take it for
            matrix = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
        aspect = self._video.sample_aspect_ratio
        side_data: Any = frame.side_data
        if "DISPLAYMATRIX" in side_data:
            a, b, _, c, d = np.frombuffer(side_data["DISPLAYMATRIX"], np.int32)[:5].tolist()
            self._turn = a, b, c, d
            aspect = 1 / aspect if aspect and abs(b) > abs(a) else aspect
        self.look = _Look(matrix, frame.color_primaries or _UNSPECIFIED, frame.color_trc or _UNSPECIFIED, aspect)

    def _image(self, frame: "VideoFrame") -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        converted = self._converter.reformat(
            frame,
            *self._size,
            "rgb24",
            src_colorspace=_SWSCALE_MATRICES[self.look.matrix],
            interpolation=_exact_colors(),
        )
        image = converted.to_ndarray()
        if self._turn is None:
            return image
        # ISO 14496-12, 8.5.3: what is at (x, y) in the file is shown at (ax + cy, bx + dy), but for a shift.
        a, b, c, d = self._turn
        if abs(b) > abs(a):
            image, a, d = image.swapaxes(0, 1), c, b
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def _time(self, frame: "VideoFrame") -> _Time:
        assert frame.time_base is not None
        ticks = frame.time_base / self.time_base  # in a unit of the frame's time, which deinterlacing has halved
        start = self._expected_start if frame.pts is None else round(frame.pts * ticks)
        if self._last_start is not None:  # no two frames can be shown at once
            start = max(start, self._last_start + 1)
        duration = round(frame.duration * ticks)
        self._last_start, self._expected_start = start, start + (duration or round(1 / self.rate / self.time_base))
        return _Time(start, duration)


class _Deinterlacer:
    """Makes whole frames of interlaced ones; others pass as they are."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None

    def put(self, frame: "VideoFrame | None") -> list["VideoFrame"]:
        """Take the next frame, or None for the end; give those that are done, in order, each once."""
        if self._graph is None and (frame is None or not frame.interlaced_frame):
            return [] if frame is None else [frame]
        form = None if frame is None else (frame.width, frame.height, frame.format.name)
        done = []
        if self._graph is not None and form != self._form:
            self._graph.vpush(None)
            done += _pulled(self._graph)
            self._graph = None
        if frame is not None:
            if self._graph is None:
                self._graph, self._form = _bwdif(frame), form
            self._graph.vpush(frame)
            done += _pulled(self._graph)
        return done


def _bwdif(frame: "VideoFrame") -> "Graph":
    """FFmpeg's deinterlacer after BBC R&D's w3fdif and yadif; it looks at the frames before and after."""
    from av.filter.graph import Graph

    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _pulled(graph: "Graph") -> list["VideoFrame"]:
    frames = []
    with suppress(BlockingIOError, EOFError):  # what PyAV says where there is nothing more yet, or ever
        while True:
            frames.append(graph.vpull())
    return frames


def _exact_colors() -> int:
    """How FFmpeg converts colours well: without these flags all get darker by a level or two."""
    from av.video.reformatter import Interpolation

    exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    return Interpolation.AREA | exact


class _Writer:
    """A video file that is being written under a temporary name, with what a reader has found in the source."""

    def __init__(self, target: Path, temporary: Path, output: _Output, reader: _Reader, size: tuple[int, int]) -> None:
        """Begin the file; ``size`` is (H, W) of its frames."""
        from av import FFmpegError
        from av.video.reformatter import VideoReformatter

        self._target, self._temporary, self._output, self._reader, self._size = target, temporary, output, reader, size
        self._converter = VideoReformatter()
        self._first_start: int | None = None
        self._last_slot = -1
        with _write_errors(target):
            try:
                self._begin(reader.sounds)
            except FFmpegError:
                if not self._copies:
                    raise
                self._begin([])
                self._tell_of_left_out(", ".join(map(_kind, reader.sounds)))

    def _begin(self, sounds: list["AudioStream"]) -> None:
        """Write the header."""
        import av
        from av.codec.context import Flags

        output, look = self._output, self._reader.look
        options = dict(output.container_options)
        if output.container in ("mp4", "mov"):  # or they take a multiple of it
            options["video_track_timescale"] = str(self._reader.time_base.denominator)
        self._container = av.open(str(self._temporary.absolute()), "w", output.container, container_options=options)
        video = self._container.add_stream(output.encoder, self._reader.rate, output.encoder_options)
        assert isinstance(video, av.VideoStream)
        video.height, video.width = self._size
        is_h264 = output.encoder == "libx264"  # which has 4:2:0 of even sides only; VP9 has all
        video.pix_fmt = "yuv444p" if is_h264 and (video.height % 2 or video.width % 2) else "yuv420p"
        context = video.codec_context
        self._time_base = 1 / self._reader.pace if output.container == "avi" else self._reader.time_base
        context.time_base = self._time_base
        context.colorspace, context.color_primaries, context.color_trc = look.matrix, look.primaries, look.transfer
        context.color_range = _LIMITED_RANGE
        context.flags |= Flags.frame_duration  # or the last frame is shown as long as the one before
        if look.pixel_aspect:
            context.sample_aspect_ratio = look.pixel_aspect
        self._video = video
        self._copies: dict[int, tuple[AudioStream, int | None]] = {}
        for sound in sounds:
            try:
                self._copies[sound.index] = self._container.add_stream_from_template(sound), None
            except ValueError:
                self._tell_of_left_out(_kind(sound))
        self._container.start_encoding()

    def _tell_of_left_out(self, kinds: str) -> None:
        suffix = self._target.suffix
        log.warning("%s: sound of the kind %s is left out, since %s files cannot hold it", self._target, kinds, suffix)

    def write(self, images: Sequence[np.ndarray], batch: _Batch) -> None:
        """Write translations of a batch, (H, W, 3) uint8 RGB each, and its sound."""
        with _write_errors(self._target):
            for image, time in zip(images, batch.times, strict=True):
                self._write_frame(image, time)
            for packet in batch.sound:
                self._write_sound(packet)

    def finish(self) -> None:
        """Write what is still held back, and the index."""
        with _write_errors(self._target):
            self._container.mux(self._video.encode())
            self._container.close()

    def close(self) -> None:
        """Let go of the file, whole or not."""
        from av import FFmpegError

        with suppress(FFmpegError):
            self._container.close()

    def _write_frame(self, image: np.ndarray, time: _Time) -> None:
        from av import VideoFrame

        frame = self._converter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image)),
            format=self._video.pix_fmt,
            dst_colorspace=_SWSCALE_MATRICES[self._reader.look.matrix],
            dst_color_range=_LIMITED_RANGE,
            interpolation=_exact_colors(),
        )
        frame.pts, frame.duration = time if self._output.container != "avi" else (self._slot(time), 1)
        frame.time_base = self._time_base
        self._container.mux(self._video.encode(frame))

    def _slot(self, time: _Time) -> int:
        """The place of a frame in an AVI file, which tells when it is shown."""
        if self._first_start is None:
            self._first_start = time.start
        seconds = (time.start - self._first_start) * self._reader.time_base
        slot = round(seconds * self._reader.pace)
        # Times in milliseconds are up to half of one off the even pace, from one that is as far off.
        if slot <= self._last_slot or abs(slot / self._reader.pace - seconds) > Fraction(1, 1000):
            raise UserError(
                f"{self._target} cannot hold frames at an uneven pace, which those of the source have at "
                f"{float(seconds):.3f} seconds; expected another kind of file: choose one ending in .mp4 or .mkv"
            )
        self._last_slot = slot
        return slot

    def _write_sound(self, packet: "Packet[Any]") -> None:
        index, start = packet.stream.index, packet.dts
        if index not in self._copies or start is None:
            return
        stream, last = self._copies[index]
        if last is not None and start <= last:  # as damaged clocks have it; files are refused for that
            packet.dts = start = last + 1
            packet.pts = None if packet.pts is None else max(packet.pts, start)
        self._copies[index] = stream, start
        packet.stream = stream
        self._container.mux(packet)


def _kind(sound: "AudioStream") -> str:
    return sound.codec_context.name if sound.codec_context else "unknown"


@contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    from av import FFmpegError

    try:
        yield
    except (OSError, FFmpegError) as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); expected a folder with room that you may write "
            f"to, and frames of sides that the format allows"
        ) from error
