"""Reading ahead and writing behind: order, errors and end are those of doing it at once."""

import threading
import time

import pytest

from aidagen.ahead import ahead, behind


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


# --- writing behind


def writers():
    return [each for each in threading.enumerate() if each.name == "writing behind"]


def test_what_is_handed_over_is_used_in_order_by_one_thread_before_the_block_ends():
    used, threads = [], set()

    def use(item):
        time.sleep(0.002)
        threads.add(threading.current_thread().name)
        used.append(item)

    with behind(use, most=3) as hand_over:
        for index in range(40):
            hand_over(index)
        assert len(used) < 40
    assert used == list(range(40)) and threads == {"writing behind"}
    assert writers() == []
    with behind(use):
        pass  # nothing at all
    assert used == list(range(40)) and writers() == []


def test_computing_and_writing_overlap():
    begin = time.perf_counter()
    with behind(lambda item: time.sleep(0.02)) as hand_over:
        for index in range(10):
            time.sleep(0.02)
            hand_over(index)
    assert time.perf_counter() - begin < 0.35  # one after the other it is 0.4


def test_no_more_than_asked_for_waits_to_be_written():
    used, waiting = [], []

    def use(item):
        time.sleep(0.005)
        used.append(item)

    with behind(use, most=4) as hand_over:
        for index in range(50):
            hand_over(index)
            waiting.append(index + 1 - len(used))
    assert 4 <= max(waiting) <= 6  # four that wait, one in the writer's hand, one being counted


@pytest.mark.parametrize("count", [3, 50])
def test_errors_of_writing_are_raised_where_the_items_come_from(count):
    """With 50 items where one of them is handed over, with three at the end of the block."""
    used, handed = [], 0

    def use(item):
        time.sleep(0.01)
        if item == 2:
            raise OSError("no space left")
        used.append(item)

    with pytest.raises(OSError, match="no space left"), behind(use, most=2) as hand_over:
        for index in range(count):
            hand_over(index)
            handed += 1
    assert used == [0, 1] and 3 <= handed < 10 and writers() == []


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whoever_leaves_stops_the_writing(problem):
    used = []

    def use(item):
        time.sleep(0.02)
        used.append(item)

    with pytest.raises(problem), behind(use, most=8) as hand_over:
        for index in range(8):
            hand_over(index)
        raise problem
    count = len(used)
    assert count < 8 and writers() == []
    time.sleep(0.1)
    assert len(used) == count  # what waited is dropped
