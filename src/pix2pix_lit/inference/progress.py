"""One bar over everything that a command translates."""

import sys

from tqdm import tqdm

_SECONDS_IN_FILES = 30  # between two lines where nobody watches, as when it goes to a file


class Progress:
    """Counts images on the standard error output; of a video, every frame is one.

    Args:
        files: images and videos to come.
        is_shown: whether there is a bar at all; others count in silence.
    """

    def __init__(self, files: int, is_shown: bool) -> None:
        seconds = 0.1 if sys.stderr.isatty() else _SECONDS_IN_FILES
        self._bar = tqdm(total=files, unit="image", disable=not is_shown, mininterval=seconds, dynamic_ncols=True)
        self._total = files
        self._frames = self._shown = self._added = 0  # of the video under way: done, shown, added to the total

    def file_done(self) -> None:
        """Count an image or a video, whether it was translated or left out."""
        self._bar.update()

    def frames_done(self, count: int, expected: int) -> None:
        """Count some frames of the one video under way, which is thought to have ``expected`` in all."""
        self._frames += count
        added = max(expected, self._frames) - 1  # one stood for the file from the start, and is counted at the end
        shown = min(self._frames, added)
        self._total += added - self._added
        self._bar.total = self._total
        self._bar.update(shown - self._shown)
        self._added, self._shown = added, shown

    def video_done(self) -> None:
        """Count the video under way as done, whatever number of frames it turned out to have."""
        done = max(1, self._frames)
        self._total += done - 1 - self._added
        self._bar.total = self._total
        self._bar.update(done - self._shown)
        self._frames = self._shown = self._added = 0

    def close(self) -> None:
        """Leave the bar as it is, and let other text begin on a line of its own."""
        self._bar.close()
        sys.stderr.flush()
