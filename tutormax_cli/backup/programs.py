"""PostgreSQL's client programs as children: what they write, as it comes; what they complain of, as one line."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tutormax_cli.errors import ConnectionFailed, LockTimeout, TutormaxError

CHUNK = 1 << 20

_COMPLAINT = re.compile(r"^\S*?(?:pg_dump|pg_restore): (?:error: )?(?P<why>.*)$")
_HINTS = (
    ("No space left on device", TutormaxError, "make room, or name a file on another disk"),
    ("canceling statement due to", LockTimeout, "another session holds a table; try again when it is done"),
    ("permission denied", TutormaxError, "use a role that may read every table: --database-url URL"),
    ("connection to server", ConnectionFailed, "try again; nothing was changed"),
)


def output_of(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[bytes]:
    """Run a program and give what it writes to its standard output, in pieces.

    It is ended when its reader goes away. Raises TutormaxError, with what it complained of, where it fails.
    """
    with tempfile.TemporaryFile() as complaints:
        with start(command, environment, stdout=subprocess.PIPE, stderr=complaints.fileno()) as process:
            assert process.stdout is not None
            try:
                while chunk := process.stdout.read(CHUNK):
                    yield chunk
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            complaints.seek(0)
            raise failure(command, complaints.read().decode("utf-8", "replace"), process.returncode)


def start(
    command: Sequence[str | Path], environment: Mapping[str, str], *, stdout: int, stderr: int
) -> "subprocess.Popen[bytes]":
    """Start a program that speaks English and asks nothing."""
    try:
        return subprocess.Popen(
            [str(part) for part in command],
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    except OSError as problem:
        raise TutormaxError(f"can't run {command[0]}: {problem.strerror}") from None


def failure(command: Sequence[str | Path], said: str, code: int) -> TutormaxError:
    """Turn the end of a program into one line: the first thing that it complained of."""
    name = Path(command[0]).name
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line] or lines
    match = _COMPLAINT.match(errors[0]) if errors else None
    ended = f"it ended with {code}" if code > 0 else f"it was ended by signal {-code}"
    why = match["why"] if match else errors[0] if errors else ended
    for sign, kind, hint in _HINTS:
        if sign in said:
            return kind(f"{name} failed: {why}", hint)
    return TutormaxError(f"{name} failed: {why}")
