"""Requests to end (Ctrl-C, SIGTERM, SIGHUP): at which moments they are obeyed, and what is kept then.

The command line installs the handlers. A program that uses the library keeps its own, and nothing here changes them.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end. SIGQUIT ends it at once."""


_AGAIN_SECONDS = 0.01


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
    sys.unraisablehook = _raise_again
    _set_all(_handle)


def uninstall() -> None:
    """Let requests to end do what they do by default, without a traceback: the process starts, or is about to exit."""
    _set_all(signal.SIG_DFL)


def _set_all(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for each in ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, handler)


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


def _raise_again(ignored: "sys.UnraisableHookArgs") -> None:
    """Send a signal once more that was raised in a destructor or a callback, where Python can only print exceptions."""
    if not isinstance(ignored.exc_value, Interrupted):
        sys.__unraisablehook__(ignored)
        return
    number, _run.signal, _run.raised = received(), None, False
    again = threading.Timer(_AGAIN_SECONDS, os.kill, [os.getpid(), number])  # here it would be ignored too
    again.daemon = True
    again.start()


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
