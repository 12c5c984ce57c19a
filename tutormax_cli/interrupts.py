"""Requests to end (Ctrl-C, SIGTERM, SIGHUP): at which moments they are obeyed, and what is kept then.

The command line installs the handlers. A program that uses the library keeps its own, and nothing here changes them.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end. SIGQUIT ends it at once."""


class Interrupted(KeyboardInterrupt):
    """A request to end, raised in the main thread."""


@dataclass(slots=True)
class _Run:
    """One run of the command line: the request to end that has come, whether it was raised, and the finished work."""

    signal: int | None = None
    raised: bool = False
    kept: list[str] = field(default_factory=list)


class _Depth(threading.local):
    """How many blocks that must not be interrupted this thread is in."""

    value = 0


_depth = _Depth()
_run = _Run()


def begin() -> None:
    """Forget an earlier run of this process."""
    global _run
    _run = _Run()


def install() -> None:
    """Turn requests to end into `Interrupted`; those that the process was started to ignore (nohup) stay ignored."""
    for each in ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _handle)


def ignore() -> None:
    """Ignore requests to end from now on: the work is done, and the process is about to exit."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)


def _handle(number: int, frame: FrameType | None) -> None:
    if _run.signal is not None:  # a second one: whoever sends it waits no longer
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    _run.signal = number
    if not _depth.value:
        _raise()


def _raise() -> None:
    _run.raised = True
    raise Interrupted


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a short block run to its end (a COMMIT, a rename); a request that comes meanwhile is raised behind it."""
    _depth.value += 1
    try:
        yield
    finally:
        _depth.value -= 1
        if not _depth.value and _run.signal is not None and not _run.raised:
            _raise()


def keep(what: str) -> None:
    """Note finished work that an interrupt no longer reverts, in words such as `the file my.dump`."""
    if what not in _run.kept:
        _run.kept.append(what)


def kept() -> tuple[str, ...]:
    """Return the finished work of this run."""
    return tuple(_run.kept)


def received() -> int:
    """Return the number of the signal that asked to end; SIGINT if none was noted."""
    return signal.SIGINT if _run.signal is None else _run.signal
