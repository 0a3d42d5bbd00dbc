"""Locks that several processes take turns at."""

import time
from threading import Event, Thread

from filelock import FileLock

from pix2pix_lit.files.lock import locked


def test_a_process_that_has_to_wait_says_so(tmp_path, caplog):
    taken, path = Event(), tmp_path / "x.lock"

    def hold() -> None:
        with FileLock(path):
            taken.set()
            time.sleep(0.6)

    other = Thread(target=hold)
    other.start()
    taken.wait()
    with caplog.at_level("INFO"), locked(path, tmp_path / "x"):
        pass
    other.join()
    assert f"Waiting for another process that is creating {tmp_path}/x" in caplog.text


def test_a_free_lock_is_taken_silently(tmp_path, caplog):
    with caplog.at_level("INFO"), locked(tmp_path / "x.lock", tmp_path / "x"):
        pass
    assert not caplog.records
