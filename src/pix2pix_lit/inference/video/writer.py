"""Writes a video with the frame times, colour spaces and sound of another."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pix2pix_lit.errors import UserError
from pix2pix_lit.files.names import library_path
from pix2pix_lit.inference.video.reader import (
    LIMITED_RANGE,
    SWSCALE_MATRICES,
    VIDEO_SUFFIXES,
    FrameBatch,
    FrameTime,
    VideoReader,
    exact_colors,
)

if TYPE_CHECKING:
    from av import AudioStream, Packet

log = logging.getLogger(__name__)


class Output(NamedTuple):
    """How a file format is written: FFmpeg's names of its container and encoder, and their options."""

    container: str
    encoder: str
    encoder_options: dict[str, str]
    container_options: dict[str, str]


_H264 = {"crf": "18"}  # visually close to lossless
_INDEX_FIRST = {"movflags": "+faststart"}  # lets browsers play it while it loads
_OUTPUTS = {
    ".mp4": Output("mp4", "libx264", _H264, _INDEX_FIRST),
    ".m4v": Output("mp4", "libx264", _H264, _INDEX_FIRST),
    ".mov": Output("mov", "libx264", _H264, _INDEX_FIRST),
    ".mkv": Output("matroska", "libx264", _H264, {}),
    # AVI stores no frame times: frames must be stored in presentation order, and not be shifted if the audio starts
    # earlier.
    ".avi": Output("avi", "libx264", _H264 | {"bf": "0"}, {"avoid_negative_ts": "disabled"}),
    ".webm": Output("webm", "libvpx-vp9", {"crf": "20", "deadline": "good", "cpu-used": "4", "row-mt": "1"}, {}),
}


def output_for(target: Path) -> Output:
    """How to write a file of this name; raises a ``UserError`` if that is not possible."""
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


class VideoWriter:
    """Writes a video file under a temporary name, with the properties that a reader has found in the source."""

    def __init__(
        self, target: Path, temporary: Path, output: Output, reader: VideoReader, size: tuple[int, int]
    ) -> None:
        """Start the file; ``size`` is (H, W) of its frames."""
        from av import FFmpegError
        from av.video.reformatter import VideoReformatter

        self._target, self._temporary, self._output, self._reader, self._size = target, temporary, output, reader, size
        self._converter = VideoReformatter()
        self._first_start: int | None = None
        self._last_slot = -1
        self._names = ExitStack()  # FFmpeg opens the file again at the end
        with write_errors(target):
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

        output, pixels = self._output, self._reader.pixels
        options = dict(output.container_options)
        if output.container in ("mp4", "mov"):  # otherwise they use a multiple of it
            options["video_track_timescale"] = str(self._reader.time_base.denominator)
        name = self._names.enter_context(library_path(self._temporary.absolute()))
        self._container = av.open(name, "w", output.container, container_options=options)
        video = self._container.add_stream(output.encoder, self._reader.rate, output.encoder_options)
        assert isinstance(video, av.VideoStream)
        video.height, video.width = self._size
        is_h264 = output.encoder == "libx264"  # whose 4:2:0 needs even sides; VP9's does not
        video.pix_fmt = "yuv444p" if is_h264 and (video.height % 2 or video.width % 2) else "yuv420p"
        context = video.codec_context
        self._time_base = 1 / self._reader.pace if output.container == "avi" else self._reader.time_base
        context.time_base = self._time_base
        context.colorspace, context.color_primaries, context.color_trc = (
            pixels.matrix,
            pixels.primaries,
            pixels.transfer,
        )
        context.color_range = LIMITED_RANGE
        context.flags |= Flags.frame_duration  # otherwise the last frame would get the duration of the one before
        if pixels.pixel_aspect:
            context.sample_aspect_ratio = pixels.pixel_aspect
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
        log.warning("%s: audio in %s is left out, since %s files do not support it", self._target, kinds, suffix)

    def write(self, images: Sequence[np.ndarray], batch: FrameBatch) -> None:
        """Write the translated frames of a batch, (H, W, 3) uint8 RGB each, and its audio packets."""
        with write_errors(self._target):
            for image, time in zip(images, batch.times, strict=True):
                self._write_frame(image, time)
            for packet in batch.sound:
                self._write_sound(packet)

    def finish(self) -> None:
        """Write the remaining frames and the index."""
        with write_errors(self._target):
            self._container.mux(self._video.encode())
            self._container.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        from av import FFmpegError

        with self._names, suppress(FFmpegError):
            self._container.close()

    def _write_frame(self, image: np.ndarray, time: FrameTime) -> None:
        from av import VideoFrame

        frame = self._converter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image)),
            format=self._video.pix_fmt,
            dst_colorspace=SWSCALE_MATRICES[self._reader.pixels.matrix],
            dst_color_range=LIMITED_RANGE,
            interpolation=exact_colors(),
        )
        frame.pts, frame.duration = time if self._output.container != "avi" else (self._slot(time), 1)
        frame.time_base = self._time_base
        self._container.mux(self._video.encode(frame))

    def _slot(self, time: FrameTime) -> int:
        """The index of a frame in an AVI file, which determines when it is shown."""
        if self._first_start is None:
            self._first_start = time.start
        seconds = (time.start - self._first_start) * self._reader.time_base
        slot = round(seconds * self._reader.pace)
        # Times rounded to milliseconds may differ by up to one from a constant frame rate.
        if slot <= self._last_slot or abs(slot / self._reader.pace - seconds) > Fraction(1, 1000):
            raise UserError(
                f"{self._target} does not support a variable frame rate, which the source has at "
                f"{float(seconds):.3f} seconds; expected another format: choose a name ending in .mp4 or .mkv"
            )
        self._last_slot = slot
        return slot

    def _write_sound(self, packet: "Packet[Any]") -> None:
        index, start = packet.stream.index, packet.dts
        if index not in self._copies or start is None:
            return
        stream, last = self._copies[index]
        if last is not None and start <= last:  # from damaged timestamps, which FFmpeg would reject
            packet.dts = start = last + 1
            packet.pts = None if packet.pts is None else max(packet.pts, start)
        self._copies[index] = stream, start
        packet.stream = stream
        self._container.mux(packet)


def _kind(sound: "AudioStream") -> str:
    return sound.codec_context.name if sound.codec_context else "unknown"


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    from av import FFmpegError

    try:
        yield
    except (OSError, FFmpegError) as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); expected a writable folder with enough space, "
            f"and frames of a size that the format supports"
        ) from error
