"""Signals that end a program."""

import signal

import pytest

from pix2pix_lit.stopping import RunStopped, stoppable


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


def test_handlers_of_others_are_left_alone():
    heard = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert heard == [signal.SIGTERM]
