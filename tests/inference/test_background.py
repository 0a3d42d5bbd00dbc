"""Reading ahead and writing behind."""

import threading
import time

import pytest

from pix2pix_lit.inference.background import BackgroundWriter, read_ahead


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_results_come_in_order_and_each_once(threads):
    def late(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(read_ahead(late, range(50), threads, ahead=3)) == [n * n for n in range(50)]
    assert list(read_ahead(late, [], threads)) == []


def test_no_more_is_read_ahead_than_asked_for():
    begun = []
    results = read_ahead(begun.append, range(100), threads=2, ahead=3)
    next(results)
    results.close()
    assert len(begun) <= 2 + 3 + 1


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_is_raised_where_its_result_would_come(threads):
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = read_ahead(fail, range(10), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_everything_submitted_is_done_when_the_writer_is_closed(threads):
    done = []
    writer = BackgroundWriter(threads, most_waiting=2)
    for number in range(20):
        writer.submit(lambda number=number: done.append(number))
    writer.close()
    assert sorted(done) == list(range(20))


def test_submit_blocks_when_too_many_calls_wait():
    gate = threading.Event()
    writer = BackgroundWriter(1, most_waiting=2)
    for _ in range(2):
        writer.submit(lambda: gate.wait(10) and None)
    submitted = threading.Event()
    third = threading.Thread(target=lambda: (writer.submit(lambda: None), submitted.set()))
    third.start()
    assert not submitted.wait(0.05)
    gate.set()
    assert submitted.wait(10)
    third.join()
    writer.close()


@pytest.mark.parametrize("threads", [0, 1])
def test_an_error_of_a_submitted_function_is_raised(threads):
    writer = BackgroundWriter(threads, most_waiting=1)

    def fail() -> None:
        raise OSError("disk full")

    def submit_and_close() -> None:
        writer.submit(fail)
        writer.close()

    with pytest.raises(OSError, match="disk full"):
        submit_and_close()
