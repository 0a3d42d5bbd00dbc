"""Translates video files frame by frame, keeping frame times and sound.

Reading, translating and writing overlap, each with one batch of frames; memory does not grow with the video's length.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pix2pix_lit.checks import check_integer
from pix2pix_lit.errors import UserError
from pix2pix_lit.files.atomic_write import atomic_write
from pix2pix_lit.inference.video.reader import VIDEO_SUFFIXES, FrameBatch, VideoReader, opened
from pix2pix_lit.inference.video.writer import VideoWriter, output_for, write_errors

__all__ = ["VIDEO_SUFFIXES", "translate_video"]


def translate_video(
    source: Path,
    target: Path,
    translate: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
    on_frames: Callable[[int, int], None] | None = None,
) -> int:
    """Write a video with the translated frames of another, with the same frame times and the same sound.

    Frames are upright, as players show them; interlaced ones are deinterlaced, and if the frame size changes within the
    video, frames are scaled to the size of the first. The codec is 8-bit H.264 (``.mp4``, ``.m4v``, ``.mov``, ``.mkv``,
    ``.avi``) or VP9 (``.webm``), in the size of the translations and the source's colour spaces. H.264 uses 4:2:0
    chroma if both sides are even, otherwise 4:4:4, which fewer players support. Non-square pixels are kept, except in
    WebM.

    Times are exact in MP4 and MOV, and rounded to milliseconds in Matroska and WebM, which may also shift all of them
    by the time at which the audio encoder's padding starts. AVI requires a constant frame rate. Audio is copied without
    re-encoding; streams that the target's container does not support are left out with a log message. Subtitles,
    further video streams, chapters and titles are left out.

    Args:
        source: a video in a format of ``VIDEO_SUFFIXES``, recognised by its content.
        target: path of the new video, ending in one of ``VIDEO_SUFFIXES``; folders are created as needed. The file
            gets this name when it is complete.
        translate: (N, H, W, 3) uint8 RGB -> (N, H', W', 3) uint8 RGB, N from 1 to ``batch_size``. Called in this
            thread, while other threads read the next batch and write the previous one.
        batch_size: largest number of frames in a batch.
        on_frames: called after each batch with its number of frames and the total that the file declares.

    Returns:
        The number of frames.

    Raises:
        UserError: if PyAV is not installed or lacks the encoder; if the source is missing, damaged, truncated or
            contains no video; if the target cannot be written or its format does not support the frames. After any
            error, an existing target is unchanged.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{source} can only be translated with PyAV, which is not installed: pip install 'pix2pix-lit[video]'"
        ) from error
    check_integer("batch_size", batch_size, 1)
    output = output_for(target)
    with opened(source) as container:
        reader = VideoReader(source, container)
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as temporary:
            return _translate(
                reader.batches(batch_size),
                translate,
                lambda size: VideoWriter(target, temporary, output, reader, size),
                None if on_frames is None else lambda count: on_frames(count, reader.expected_frames),
            )


def _translate(
    batches: Iterator[FrameBatch],
    translate: Callable[[np.ndarray], np.ndarray],
    begin: Callable[[tuple[int, int]], "VideoWriter"],
    on_frames: Callable[[int], None] | None,
) -> int:
    """Translate each batch while other threads read the next one and write the previous one.

    Errors in those threads are raised here; an error here is raised after they have finished their batch.
    """
    count = 0
    writer: VideoWriter | None = None
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
