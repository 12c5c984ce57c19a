"""Reading ahead in a thread while rows are sent: numpy and a waiting socket leave each other room."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

AHEAD = 2
"""How many blocks wait to be sent: enough that neither side waits for a short delay of the other."""

T = TypeVar("T")


@contextmanager
def read_ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Make items in a thread and give them one by one; at the end, whatever comes, the thread has stopped."""
    ready: Queue[T | BaseException | None] = Queue(AHEAD)
    stop = Event()

    def make() -> None:
        try:
            for item in items:
                ready.put(item)
                if stop.is_set():
                    return
            ready.put(None)
        except BaseException as problem:  # for the thread that takes the items
            ready.put(problem)

    maker = Thread(target=make, daemon=True)
    maker.start()
    try:
        yield _taken(ready)
    finally:
        stop.set()
        while maker.is_alive():
            try:
                ready.get(timeout=0.01)
            except Empty:
                continue


def _taken(ready: "Queue[T | BaseException | None]") -> Iterator[T]:
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
