"""Signals that end a program."""

import signal
import subprocess
import sys

import pytest

from pix2pix_lit.runs.stopping import RunStopped, raise_if_signalled, stop_later, stop_now, stoppable


def test_before_training_a_signal_ends_the_program_at_once():
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        former = signal.getsignal(number)
        with pytest.raises(RunStopped) as stopped, stoppable():
            signal.raise_signal(number)
        assert (stopped.value.code, stopped.value.together) == (status, False)
        assert signal.getsignal(number) == former


def test_a_second_signal_ends_it_without_waiting():
    with stoppable():
        with pytest.raises(RunStopped):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL


def stopped(work):
    """Exit status of a program that runs this."""
    with stoppable(), pytest.raises(RunStopped) as stop:
        work()
    return stop.value.code


def test_a_signal_is_deferred_while_locks_are_held():
    done = []

    def work():
        with stop_later():
            signal.raise_signal(signal.SIGTERM)
            done.append("all of it")

    assert stopped(work) == 143
    assert done == ["all of it"]


def test_long_work_is_interrupted_at_once_and_not_started_after_a_signal():
    def during():
        with stop_later(), stop_now():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it went on")

    def before():
        with stop_later():
            signal.raise_signal(signal.SIGINT)
            with stop_now():
                pytest.fail("it began")

    assert stopped(during) == stopped(before) == 130
    raise_if_signalled()  # which is over


def test_a_signal_takes_precedence_over_the_errors_that_it_causes():
    def work():
        with stop_later():
            signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("connection closed by peer")

    assert stopped(work) == 143


STUCK = """
import signal, threading
from pix2pix_lit.runs import stopping
stopping.MOST_SECONDS = 0
with stopping.stoppable():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        while True:
            threading.Event().wait()
"""


def test_a_program_that_hangs_while_cleaning_up_still_ends():
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (143, b"\nSIGTERM: exited without waiting for unfinished work\n")


NOTEBOOK = """
import signal, time
from pix2pix_lit.runs import stopping
stopping.MOST_SECONDS = 0
try:
    stopping.stop_at_once(signal.SIGINT, None)
except stopping.RunStopped:
    time.sleep(0.5)
    print("continues")
"""


def test_only_commands_end_their_process():
    # A callback in a user's program or notebook calls the handler, too.
    ended = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, b"continues\n")


def test_handlers_that_others_installed_are_kept():
    heard = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert heard == [signal.SIGTERM]
