"""Making things in one thread while another uses them: numpy and a waiting socket leave each other room."""

import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

AHEAD = 2
"""How many items are made, or being made, before the one in use is done with: enough that neither side waits for a
short delay of the other."""

HANDOVER_SECONDS = 0.0005
"""How long a thread that wants to run waits for the one that does: a tenth of Python's own choice, because whoever
sends to the server has hardly anything to do before it waits again."""

T = TypeVar("T")


@contextmanager
def made_ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Start making items in a thread, and give them one by one; at the end, whatever comes, the thread has stopped."""
    with ThreadPoolExecutor(max_workers=1) as pool, _quick_handover():
        upcoming = deque(pool.submit(next, items, None) for _ in range(AHEAD))
        try:
            yield _taken(pool, upcoming, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _quick_handover() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(HANDOVER_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _taken(pool: ThreadPoolExecutor, upcoming: deque[Future[T | None]], items: Iterator[T]) -> Iterator[T]:
    while (item := upcoming.popleft().result()) is not None:
        upcoming.append(pool.submit(next, items, None))
        yield item
