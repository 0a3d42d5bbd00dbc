"""One bar over images and frames."""

import io
import sys

import pytest

from pix2pix_lit.inference.progress import Progress


@pytest.fixture
def bar(monkeypatch):
    """A bar over a video and two images, and a function for what it says: done and total."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = Progress(3, is_shown=True)
    return progress, lambda: (progress._bar.n, progress._bar.total)


@pytest.mark.parametrize("expected", [0, 3, 20, 50])
def test_a_video_counts_as_many_images_as_it_has_frames_whatever_its_file_says(bar, expected):
    progress, place = bar
    progress.file_done()
    seen = []
    for _ in range(5):
        progress.frames_done(4, expected)
        seen.append(place())
    progress.video_done()
    progress.file_done()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert all(done < total for done, total in seen)
    assert seen[0] == (1 + min(4, max(expected, 4) - 1), 2 + max(expected, 4))
    assert place() == (22, 22)


def test_a_video_that_breaks_off_leaves_the_total_of_what_there_was(bar):
    progress, place = bar
    progress.frames_done(4, 600)
    assert place() == (4, 602)
    progress.video_done()
    assert place() == (4, 6)
    progress.video_done()  # one that could not be opened
    assert place() == (5, 6)
