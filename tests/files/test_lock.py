"""Locks that several processes take turns at."""

from threading import Timer

from filelock import FileLock

from pix2pix_lit.files.lock import locked


def test_who_has_to_wait_is_told_for_what(tmp_path, caplog):
    other = FileLock(tmp_path / "x.lock", thread_local=False)
    other.acquire()
    Timer(0.6, other.release).start()
    with caplog.at_level("INFO"), locked(tmp_path / "x.lock", tmp_path / "x"):
        assert not other.is_locked
    assert f"Waiting for another process that makes {tmp_path}/x" in caplog.text


def test_a_free_lock_is_taken_silently(tmp_path, caplog):
    with caplog.at_level("INFO"), locked(tmp_path / "x.lock", tmp_path / "x"):
        pass
    assert not caplog.records
