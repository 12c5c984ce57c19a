"""What the server has to say: one file, to which its processes append, kept within bounds by every start."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from tutormax_cli.database.embedded.account import Account

LARGEST = 8_000_000
"""Bytes from which the log is cut, and the bytes of its end that then stay."""
KEPT = 1_000_000

_POLL = 0.2
"""Seconds between two looks at a log that is followed."""


def open_log(path: Path, account: Account) -> int:
    """Open the log for a server to write to, and give the handle."""
    return account.open_file(path, os.O_APPEND)


def trim(path: Path) -> None:
    """Cut the log to its end where it has grown too large; safe while a server appends to it.

    That the server's own rotation can't do: it bounds the age of a log, not its size.
    """
    if not path.exists() or path.stat().st_size <= LARGEST:
        return
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
    try:
        end = os.pread(handle, KEPT, os.fstat(handle).st_size - KEPT)
        os.ftruncate(handle, 0)
        os.write(handle, end.partition(b"\n")[2])
    finally:
        os.close(handle)


def read_log(path: Path, count: int, *, follow: bool = False) -> Iterator[str]:
    """Give the last `count` lines of the log and, with `follow`, each further one as it is written, without end."""
    said = path.read_bytes() if path.exists() else b""
    *lines, rest = said.split(b"\n")
    yield from (_text(line) for line in lines[max(0, len(lines) - count) :])
    position = len(said)
    while follow:
        time.sleep(_POLL)
        said = _read_from(path, position)
        *lines, rest = (rest + said).split(b"\n")
        yield from (_text(line) for line in lines)
        position = min(position, path.stat().st_size) + len(said) if path.exists() else 0


def _read_from(path: Path, position: int) -> bytes:
    """Read what was appended since `position`; nothing if the log has been cut since then."""
    if not path.exists() or path.stat().st_size <= position:
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
