"""Video files: every frame translated, at its own time and with the sound that goes with it.

A video is read, translated and written at once, a batch of frames in each of the three, so that memory does not grow
with its length.
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
        on_frames: called when a batch is translated: with the number of its frames, and of all as far as the file says.

    Returns:
        The number of frames.

    Raises:
        UserError: if PyAV is not installed or lacks the encoder; if the source is missing, damaged, cut short or holds
            no video; if the target cannot be written or cannot hold what is to go there. Whatever was there
            before under its name is kept then, and after any error of the functions.
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
    """Translate a batch while the next one is read and the last one is written, each in a thread of its own.

    What goes wrong in them is raised here; what goes wrong here leaves once they are through with a batch and ended.
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
