"""Frames are read in a thread while those before them are being computed with."""

import queue
import threading
from collections.abc import Iterable, Iterator
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
