"""One progress bar over all images and videos of a command."""

import sys

from tqdm import tqdm

_SECONDS_IN_FILES = 30  # between two lines if the output is not a terminal


class Progress:
    """Shows the number of translated images on standard error; every frame of a video counts as one.

    Args:
        files: number of images and videos.
        is_shown: whether to show the bar.
    """

    def __init__(self, files: int, is_shown: bool) -> None:
        seconds = 0.1 if sys.stderr.isatty() else _SECONDS_IN_FILES
        self._bar = tqdm(total=files, unit="image", disable=not is_shown, mininterval=seconds, dynamic_ncols=True)
        self._total = files
        self._frames = self._shown = self._added = 0  # of the current video: done, shown, added to the total

    def file_done(self) -> None:
        """Count an image or a video, whether it was translated or left out."""
        self._bar.update()

    def frames_done(self, count: int, expected: int) -> None:
        """Count some frames of the current video, which is expected to have ``expected`` in total."""
        self._frames += count
        added = (
            max(expected, self._frames) - 1
        )  # the total already contains one for the file, which is counted at the end
        shown = min(self._frames, added)
        self._total += added - self._added
        self._bar.total = self._total
        self._bar.update(shown - self._shown)
        self._added, self._shown = added, shown

    def video_done(self) -> None:
        """Count the current video as done, and correct the total to its actual number of frames."""
        done = max(1, self._frames)
        self._total += done - 1 - self._added
        self._bar.total = self._total
        self._bar.update(done - self._shown)
        self._frames = self._shown = self._added = 0

    def close(self) -> None:
        """Keep the bar on the screen and start a new line."""
        self._bar.close()
        sys.stderr.flush()
