"""Reading a video: its frames upright, each at its own time, and the packets of its sound."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.filter.graph import Graph


VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
"""File name endings that count as videos, compared without regard to case."""

_FORMATS = "mov,matroska,avi"  # FFmpeg's names; MP4 and M4V are read as the first, WebM as the second
_MOST_PIXELS = 2**27  # 16384 x 8192, more than any camera has; a header may claim any number
_MOST_PACKETS = 4096  # of sound in a batch, where frames are few

# Kinds of colour by their numbers in ITU-T H.273, which files have.
_BT709, _BT601, _UNSPECIFIED = 1, 6, 2
SWSCALE_MATRICES = {_BT709: 1, 4: 4, 5: 5, _BT601: 5, 7: 7, 9: 9}  # the numbers that FFmpeg's converter has for them
LIMITED_RANGE = 1  # luma from 16 to 235, which all players expect of 8 bits; FFmpeg's number


class Look(NamedTuple):
    """What the numbers of a video mean: the kinds of its colours, and the width of a pixel by its height."""

    matrix: int
    primaries: int
    transfer: int
    pixel_aspect: Fraction | None


class FrameTime(NamedTuple):
    """When a frame is shown, and for how long (0 if that is not known), in units of the source's time base."""

    start: int
    duration: int


@dataclass
class FrameBatch:
    """Frames that follow each other, (H, W, 3) uint8 RGB, and the packets of sound among which they are in the file."""

    images: list[np.ndarray] = field(default_factory=list)
    times: list[FrameTime] = field(default_factory=list)
    sound: list["Packet[Any]"] = field(default_factory=list)


def opened(source: Path) -> "InputContainer":
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
            with library_path(source.absolute()) as name:  # "a:b.mp4" would be an address
                return av.open(
                    name,
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


class VideoReader:
    """What an opened file holds, read once.

    Attributes:
        sounds: the streams of sound.
        rate: frames in a second, on average.
        pace: the same without frames that are left out, such as those of a camera in the dark.
        time_base: seconds in a unit of time.
        expected_frames: their number as far as the file says, 0 if it does not.
        look: of all frames; known from the first batch on.
    """

    look: Look

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
        seconds = (container.duration or 0) / 1_000_000  # FFmpeg's AV_TIME_BASE
        self.expected_frames = self._video.frames or round(seconds * self.rate)
        self._size = (0, 0)
        self._turn: tuple[int, int, int, int] | None = None
        self._last_start: int | None = None
        self._expected_start = 0
        self._is_avi = container.format.name == "avi"
        self._times_in_avi: deque[int] = deque()
        self._packets = 0
        self._deinterlacer = _Deinterlacer()
        self._converter = VideoReformatter()

    def batches(self, batch_size: int) -> Iterator[FrameBatch]:
        """All frames in the order in which they are shown, upright, and all sound; the first batch has a frame."""
        import av

        batch = FrameBatch()
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
                            batch = FrameBatch()
                elif packet.dts is not None:  # None at the end, to make a decoder give what it has left
                    batch.sound.append(packet)
                    if len(batch.sound) >= _MOST_PACKETS and self._last_start is not None:
                        yield batch
                        batch = FrameBatch()
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
        if matrix not in SWSCALE_MATRICES:  # untold as a rule; this is what players take it for
            matrix = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
        aspect = self._video.sample_aspect_ratio
        side_data: Any = frame.side_data
        if "DISPLAYMATRIX" in side_data:
            a, b, _, c, d = np.frombuffer(side_data["DISPLAYMATRIX"], np.int32)[:5].tolist()
            self._turn = a, b, c, d
            aspect = 1 / aspect if aspect and abs(b) > abs(a) else aspect
        self.look = Look(matrix, frame.color_primaries or _UNSPECIFIED, frame.color_trc or _UNSPECIFIED, aspect)

    def _image(self, frame: "VideoFrame") -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        converted = self._converter.reformat(
            frame,
            *self._size,
            "rgb24",
            src_colorspace=SWSCALE_MATRICES[self.look.matrix],
            interpolation=exact_colors(),
        )
        image = converted.to_ndarray()
        if self._turn is None:
            return image
        # ISO 14496-12, 8.5.3: what is at (x, y) in the file is shown at (ax + cy, bx + dy), up to a shift.
        a, b, c, d = self._turn
        if abs(b) > abs(a):
            image, a, d = image.swapaxes(0, 1), c, b
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def _time(self, frame: "VideoFrame") -> FrameTime:
        assert frame.time_base is not None
        ticks = frame.time_base / self.time_base  # in a unit of the frame's time, which deinterlacing has halved
        start = self._expected_start if frame.pts is None else round(frame.pts * ticks)
        if self._last_start is not None:  # no two frames can be shown at once
            start = max(start, self._last_start + 1)
        duration = round(frame.duration * ticks)
        self._last_start, self._expected_start = start, start + (duration or round(1 / self.rate / self.time_base))
        return FrameTime(start, duration)


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


def exact_colors() -> int:
    """How FFmpeg converts colours well: without these flags all get darker by a level or two."""
    from av.video.reformatter import Interpolation

    exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    return Interpolation.AREA | exact
