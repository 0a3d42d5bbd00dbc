"""Reads a video: upright frames with their presentation times, and the packets of its audio streams."""

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
"""File name endings of videos, in lower case; compared case-insensitively."""

_FORMATS = "mov,matroska,avi"  # FFmpeg's names; MP4 and M4V are read as the first, WebM as the second
_MOST_PIXELS = 2**27  # 16384 x 8192, more than any camera has; limits what a header can claim
_MOST_PACKETS = 4096  # audio packets in a batch, in case there are few frames

# Colour matrices by their numbers in ITU-T H.273, as stored in files.
_BT709, _BT601, _UNSPECIFIED = 1, 6, 2
SWSCALE_MATRICES = {_BT709: 1, 4: 4, 5: 5, _BT601: 5, 7: 7, 9: 9}  # -> the numbers of FFmpeg's converter
LIMITED_RANGE = 1  # luma from 16 to 235, which all players expect of 8 bits; FFmpeg's number


class PixelProperties(NamedTuple):
    """How to interpret the pixels of a video: its colour spaces, and the aspect ratio of a pixel."""

    matrix: int
    primaries: int
    transfer: int
    pixel_aspect: Fraction | None


class FrameTime(NamedTuple):
    """When a frame is shown and for how long (0 if unknown), in units of the source's time base."""

    start: int
    duration: int


@dataclass
class FrameBatch:
    """Consecutive frames, (H, W, 3) uint8 RGB, and the audio packets interleaved with them in the file."""

    images: list[np.ndarray] = field(default_factory=list)
    times: list[FrameTime] = field(default_factory=list)
    sound: list["Packet[Any]"] = field(default_factory=list)


def opened(source: Path) -> "InputContainer":
    """Open a file as one of ``_FORMATS``, whatever its name.

    Other formats of FFmpeg, such as playlists, refer to further files, and could make it read any path or address.
    """
    import av

    if not source.is_file():
        found = "is not a file" if source.exists() else "does not exist"
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
    """The size in bytes that an AVI, Matroska or WebM file declares; 0 for others, whose packets reveal missing data.

    In RIFF, the container of AVI, the size follows the name. In Matroska (RFC 8794, section 6) a header and a segment
    each consist of a name, a size and the content. Sizes are unknown in files that were streamed.
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
    """The size stored at a position, 0 if it is unknown, and the position after it."""
    length = 9 - int.from_bytes(data[position : position + 1], "big").bit_length()
    all_ones = (1 << 7 * length) - 1
    size = int.from_bytes(data[position : position + length], "big") & all_ones
    return size if size < all_ones else 0, position + length


def _unreadable(source: Path, why: object) -> UserError:
    return UserError(
        f"{source} cannot be read as a video ({why}); expected an intact MP4, MOV, Matroska, WebM or AVI file: if a "
        f"video player can open it, convert it there, otherwise replace or remove it"
    )


class VideoReader:
    """Reads the content of an opened file, once.

    Attributes:
        sounds: the audio streams.
        rate: average frames per second.
        pace: nominal frames per second; higher than ``rate`` if frames are missing, as from a camera in the dark.
        time_base: seconds per unit of time.
        expected_frames: number of frames that the file declares; 0 if it declares none.
        pixels: how to interpret all frames; known after the first batch.
    """

    pixels: PixelProperties

    def __init__(self, source: Path, container: "InputContainer") -> None:
        from av.stream import Disposition
        from av.video.reformatter import VideoReformatter

        videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not videos:
            raise _unreadable(source, "it contains no video")
        self._source, self._container, self._video = source, container, videos[0]
        if self._video.codec_context is None or not self._video.time_base:
            raise _unreadable(source, "the installed PyAV cannot decode this kind of video")
        # One thread keeps up with the network. With slice threads, H.264's decoder does not report damage; with frame
        # threads, PyAV loses errors in the last frames.
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
        """All frames in presentation order, upright, and all audio packets; the first batch has at least one frame."""
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
                elif packet.dts is not None:  # None at the end flushes the decoder
                    batch.sound.append(packet)
                    if len(batch.sound) >= _MOST_PACKETS and self._last_start is not None:
                        yield batch
                        batch = FrameBatch()
        except (OSError, av.FFmpegError) as error:
            raise _unreadable(self._source, error.strerror or error) from error
        # An AVI file's index counts its frames; FFmpeg silently skips those whose beginning is damaged.
        if self._is_avi and self._packets < sum(entry.size > 0 for entry in self._video.index_entries):
            raise _unreadable(self._source, "some of its frames are damaged")
        if self._size == (0, 0):
            raise _unreadable(self._source, "it contains no frame")
        yield batch

    def _decode(self, packet: "Packet[Any]") -> Iterator["VideoFrame"]:
        if packet.size == 0 and packet.dts is not None:  # PyAV would take it for the end of the stream
            return
        if packet.dts is not None and self._is_avi:
            self._times_in_avi.append(packet.dts)
            self._packets += 1
        for frame in packet.decode():
            if frame.is_corrupt:  # the decoder made up what it could not read
                raise _unreadable(self._source, "some of its frames are damaged")
            if self._times_in_avi:  # those of the packets: AVI stores no presentation times
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
        if matrix not in SWSCALE_MATRICES:  # usually unspecified; players then assume these
            matrix = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
        aspect = self._video.sample_aspect_ratio
        side_data: Any = frame.side_data
        if "DISPLAYMATRIX" in side_data:
            a, b, _, c, d = np.frombuffer(side_data["DISPLAYMATRIX"], np.int32)[:5].tolist()
            self._turn = a, b, c, d
            aspect = 1 / aspect if aspect and abs(b) > abs(a) else aspect
        self.pixels = PixelProperties(
            matrix, frame.color_primaries or _UNSPECIFIED, frame.color_trc or _UNSPECIFIED, aspect
        )

    def _image(self, frame: "VideoFrame") -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        converted = self._converter.reformat(
            frame,
            *self._size,
            "rgb24",
            src_colorspace=SWSCALE_MATRICES[self.pixels.matrix],
            interpolation=exact_colors(),
        )
        image = converted.to_ndarray()
        if self._turn is None:
            return image
        # ISO 14496-12, 8.5.3: the pixel at (x, y) in the file is shown at (ax + cy, bx + dy), up to a shift.
        a, b, c, d = self._turn
        if abs(b) > abs(a):
            image, a, d = image.swapaxes(0, 1), c, b
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def _time(self, frame: "VideoFrame") -> FrameTime:
        assert frame.time_base is not None
        ticks = frame.time_base / self.time_base  # per unit of the frame's time base, which deinterlacing has halved
        start = self._expected_start if frame.pts is None else round(frame.pts * ticks)
        if self._last_start is not None:  # no two frames can be shown at once
            start = max(start, self._last_start + 1)
        duration = round(frame.duration * ticks)
        self._last_start, self._expected_start = start, start + (duration or round(1 / self.rate / self.time_base))
        return FrameTime(start, duration)


class _Deinterlacer:
    """Deinterlaces interlaced frames; passes progressive ones through."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None

    def put(self, frame: "VideoFrame | None") -> list["VideoFrame"]:
        """Take the next frame, or None at the end, and return the frames that are finished, in order."""
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
    """FFmpeg's deinterlacer based on BBC R&D's w3fdif and on yadif; it uses the previous and the next frame."""
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
    with suppress(BlockingIOError, EOFError):  # PyAV raises these if there is nothing more yet, or at all
        while True:
            frames.append(graph.vpull())
    return frames


def exact_colors() -> int:
    """FFmpeg's flags for exact colour conversion: without them, all colours get darker by a level or two."""
    from av.video.reformatter import Interpolation

    exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    return Interpolation.AREA | exact
