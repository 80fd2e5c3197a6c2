"""Reading ahead: the order, the errors and the end are those of reading."""

import threading
import time

import pytest

from aidagen.ahead import ahead


def readers():
    return [each for each in threading.enumerate() if each.name == "reading ahead"]


def test_order_and_end():
    with ahead(range(100), most=3) as items:
        assert list(items) == list(range(100))
    with ahead([]) as items:
        assert list(items) == []
    assert readers() == []


def test_reading_and_computing_overlap():
    def slow():
        for index in range(10):
            time.sleep(0.02)
            yield index

    begin = time.perf_counter()
    with ahead(slow()) as items:
        for _ in items:
            time.sleep(0.02)
    assert time.perf_counter() - begin < 0.35  # one after the other it is 0.4


def test_no_more_than_asked_for_is_held():
    given, held = 0, []

    def count():
        nonlocal given
        for index in range(50):
            given += 1
            yield index

    with ahead(count(), most=4) as items:
        for index in items:
            time.sleep(0.005)
            held.append(given - index - 1)
    assert 1 <= max(held) <= 5  # four that wait, and one in the reader's hand


def test_errors_come_after_what_was_read_before_them():
    def broken():
        yield 1
        yield 2
        raise ValueError("cut short")

    seen = []
    with pytest.raises(ValueError, match="cut short"), ahead(broken()) as items:
        for item in items:
            seen.append(item)
    assert seen == [1, 2] and readers() == []


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whoever_leaves_stops_the_reading(problem):
    closed_by = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed_by.append(threading.current_thread().name)

    with pytest.raises(problem), ahead(endless(), most=2) as items:
        next(items)
        raise problem
    assert closed_by == ["reading ahead"] and readers() == []
