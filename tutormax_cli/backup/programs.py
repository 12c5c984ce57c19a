"""PostgreSQL's client programs as child processes: what they write, as it comes, and what they complain of."""

import os
import re
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

from tutormax_cli.errors import ConnectionFailed, TutormaxError
from tutormax_cli.interrupts import uninterrupted

CHUNK = 1 << 20

_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
"""Linux: the signal that a process gets when its parent ends."""

_COMPLAINT = re.compile(r"^\S*?(?:pg_dump|pg_restore): (?:error: )?(?P<why>.*)$")

_HINTS = (
    ("No space left on device", TutormaxError, "free some space, or name a file on another disk"),
    ("connection to server", ConnectionFailed, "try again; nothing was changed"),
)
"""What programs say of this machine and of the connection, in English; the server's own messages may be in any
language."""


def output_of(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[bytes]:
    """Run a program and yield what it writes to its standard output, in pieces.

    It is killed if its reader goes away. Raises TutormaxError, with what it complained of, if it fails.
    """
    with tempfile.TemporaryFile() as complaints:
        with running(command, environment, stdout=subprocess.PIPE, stderr=complaints.fileno()) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(CHUNK):
                yield chunk
        if process.returncode:
            complaints.seek(0)
            raise failure(command, complaints.read().decode("utf-8", "replace"), process.returncode)


@contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    stdout: int,
    stderr: int,
    keep_open: Sequence[int] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program that speaks English and asks nothing; wait for its end, or kill it on an error.

    It inherits the file descriptors `keep_open`. If this process is killed, the program is killed too on Linux;
    elsewhere it ends when it next writes to one of our pipes. Raises TutormaxError if it can't be run.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with uninterrupted():
            process = _start(command, environment, stdout, stderr, keep_open)
        yield process
    except BaseException:
        if process is not None:
            process.kill()
        raise
    finally:
        if process is not None:
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            process.wait()


def _start(
    command: Sequence[str | Path], environment: Mapping[str, str], stdout: int, stderr: int, keep_open: Sequence[int]
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [str(part) for part in command],
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=keep_open,
            preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,
        )
    except OSError as problem:
        raise TutormaxError(f"can't run {command[0]}: {problem.strerror}") from None


def _die_with(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes the program: have Linux kill it when its parent ends."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != parent:  # it has ended already
            os._exit(1)

    return ask


def lines_of(stream: int, tick: Callable[[], None]) -> Iterator[str]:
    """Yield the lines that a program writes to a pipe until it closes it; call `tick` several times a second."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            tick()
            if not selector.select(_POLL_SECONDS):
                continue
            piece = os.read(stream, CHUNK)
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode("utf-8", "replace").rstrip() for line in lines)
            if not piece:
                break
    if rest:
        yield rest.decode("utf-8", "replace")


def failure(command: Sequence[str | Path], said: str, code: int) -> TutormaxError:
    """Turn the end of a program into one line: the first error that it complained of."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line] or lines
    ended = f"it ended with {code}" if code > 0 else f"it was ended by signal {-code}"
    match = _COMPLAINT.match(errors[0]) if errors else None
    why = f"{Path(command[0]).name} failed: {match['why'] if match else errors[0] if errors else ended}"
    for sign, kind, hint in _HINTS:
        if sign in said:
            return kind(why, hint)
    return TutormaxError(why)


def is_local(said: str) -> bool:
    """Return whether a program complained of this machine rather than of the server."""
    return any(sign in said for sign, kind, _ in _HINTS if kind is TutormaxError)
