"""Frames are read ahead in one thread, and written behind in another, while others are computed.

    with ahead(frames) as read, behind(out.add) as write:
        for frame in read:
            write(computed(frame))
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_PATIENCE = 0.2  # seconds after which a waiting side looks whether the other one is still there


@contextmanager
def ahead(items: Iterable[T], most: int = 16) -> Iterator[Iterator[T]]:
    """``items`` in their order, with at most ``most`` of them read ahead.

    What reading raises is raised where the items are taken, after those before it. When the
    ``with`` block is left, for whatever reason, nothing more is read, and a generator is closed by
    the thread that ran it.
    """
    read: queue.Queue = queue.Queue(most)
    over = threading.Event()

    def put(entry: tuple[str, object]) -> None:
        while not over.is_set():
            try:
                return read.put(entry, timeout=_PATIENCE)
            except queue.Full:
                pass

    def run() -> None:
        source = iter(items)
        try:
            for item in source:
                put(("item", item))
                if over.is_set():
                    return
            put(("end", None))
        except BaseException as error:  # whatever it is, it belongs to who takes the items
            put(("error", error))
        finally:
            if close := getattr(source, "close", None):
                close()

    def taken() -> Iterator[T]:
        while True:
            try:
                kind, value = read.get(timeout=_PATIENCE)  # Ctrl-C comes through between two waits
            except queue.Empty:
                continue
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value

    thread = threading.Thread(target=run, name="reading ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        over.set()
        thread.join(timeout=5)  # one that waits for a pipe ends with the process


@contextmanager
def behind(use: Callable[[T], object], most: int = 16) -> Iterator[Callable[[T], None]]:
    """A function that hands items over to a thread, which calls ``use`` with each, in their order.

    At most ``most`` of them wait; the next one is handed over when there is room. What ``use``
    raises is raised where the next item is handed over, or at the end of the ``with`` block, which
    waits until all are used. When the block is left by an exception what still waits is dropped.
    ``use`` is never running once the block has been left.
    """
    waiting: queue.Queue = queue.Queue(most)
    over = threading.Event()
    failure: list[BaseException] = []

    def run() -> None:
        while not over.is_set():
            try:
                kind, item = waiting.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            if kind == "end":
                return
            try:
                use(item)
            except BaseException as error:  # whatever it is, it belongs to who hands the items over
                failure.append(error)
                return

    def put(entry: tuple[str, object]) -> None:
        while not failure:
            try:
                return waiting.put(entry, timeout=_PATIENCE)
            except queue.Full:
                pass
        raise failure[0]

    thread = threading.Thread(target=run, name="writing behind", daemon=True)
    thread.start()
    try:
        yield lambda item: put(("item", item))
        put(("end", None))
        _ended(thread)
    finally:
        over.set()
        _ended(thread)
    if failure:
        raise failure[0]


def _ended(thread: threading.Thread) -> None:
    while thread.is_alive():
        thread.join(timeout=_PATIENCE)  # Ctrl-C comes through between two waits
