"""The rows of tables and the bytes of large objects, cut from the script that pg_restore writes of them.

pg_restore is told which entries to write and in which order. So the script is cut by what is known of each entry: its
own COPY statement at the start of a line, and the line `\\.` that ends its rows. COPY writes a backslash in a row as
two, so no row is such a line. What else stands between (comments, settings) is checked and ignored.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tutormax_cli.backup.table_of_contents import Entry
from tutormax_cli.errors import TutormaxError

TABLE_ROWS = "TABLE DATA"
LARGE_OBJECTS = "BLOBS"
"""The kinds of entries that hold rows of a table, or the bytes of some large objects."""

_END_OF_ROWS = b"\\.\n"
_BETWEEN = re.compile(rb"(?:--.*|SET .*;|SELECT pg_catalog\.set_config\(.*|\\(?:un)?restrict .*)?\n")
"""Lines that pg_restore writes before and after the rows: comments and its settings."""

_OPEN = re.compile(rb"SELECT pg_catalog\.lo_open\('(\d+)', \d+\);\n")
_WRITE = re.compile(rb"SELECT pg_catalog\.lowrite\(0, '\\{1,2}x([0-9a-f]*)'\);\n")
_CLOSE = b"SELECT pg_catalog.lo_close(0);\n"
_BEGIN, _COMMIT = b"BEGIN;\n", b"COMMIT;\n"


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one entry, in COPY's text format, a row a line. They have to be read before the next part is."""

    entry: Entry
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class LargeObject:
    """One large object by its OID, and its bytes. They have to be read before the next part is."""

    id: int
    pieces: Iterator[bytes]


def read_rows(script: Iterable[bytes], entries: Sequence[Entry]) -> Iterator[TableRows | LargeObject]:
    """Cut pg_restore's script of these entries into rows and large objects. Raises TutormaxError if it breaks off."""
    stream = _Stream(iter(script))
    for entry in entries:
        if entry.kind == TABLE_ROWS:
            stream.skip_to(entry.copy_statement)
            yield TableRows(entry, stream.rows())
        else:
            stream.skip_to(_BEGIN)
            yield from _large_objects(stream)
    stream.skip_to(b"")


def _large_objects(stream: "_Stream") -> Iterator[LargeObject]:
    while (line := stream.line()) != _COMMIT:
        if opened := _OPEN.fullmatch(line):
            yield LargeObject(int(opened[1]), _written(stream))
        elif line != b"\n":
            raise _broken("in the large objects")


def _written(stream: "_Stream") -> Iterator[bytes]:
    while (line := stream.line()) != _CLOSE:
        written = _WRITE.fullmatch(line)
        if written is None:
            raise _broken("in a large object")
        yield bytes.fromhex(written[1].decode())


def _broken(where: str) -> TutormaxError:
    return TutormaxError(f"the archive breaks off {where}", "it is damaged: use another one")


class _Stream:
    """Bytes that are read by lines where they are statements, and by large pieces where they are rows."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def line(self) -> bytes:
        """Return the next line with its end; empty at the end of everything."""
        while (end := self._rest.find(b"\n")) < 0:
            chunk = next(self._chunks, b"")
            if not chunk:
                line, self._rest = self._rest, b""
                return line
            self._rest += chunk
        line, self._rest = self._rest[: end + 1], self._rest[end + 1 :]
        return line

    def skip_to(self, statement: bytes) -> None:
        """Skip lines that mean nothing and a statement behind them, which can have line breaks itself.

        The empty statement is at the end of everything.
        """
        while not self._starts_with(statement):
            if _BETWEEN.fullmatch(self.line()) is None:
                raise _broken("before the rows of a table")
        self._rest = self._rest[len(statement) :]

    def _starts_with(self, statement: bytes) -> bool:
        while len(self._rest) < max(len(statement), 1):
            chunk = next(self._chunks, b"")
            if not chunk:
                return not statement and not self._rest
            self._rest += chunk
        return bool(statement) and self._rest.startswith(statement)

    def rows(self) -> Iterator[bytes]:
        """Yield whole and broken lines up to the line that ends them, which is omitted."""
        while len(self._rest) < len(_END_OF_ROWS):
            self._more()
        if self._rest.startswith(_END_OF_ROWS):
            self._rest = self._rest[len(_END_OF_ROWS) :]
            return
        while (end := self._rest.find(b"\n" + _END_OF_ROWS)) < 0:
            held = len(self._rest) - len(_END_OF_ROWS)  # the end may be cut in two
            yield self._rest[:held]
            self._rest = self._rest[held:]
            self._more()
        rows, self._rest = self._rest[: end + 1], self._rest[end + 1 + len(_END_OF_ROWS) :]
        yield rows

    def _more(self) -> None:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise _broken("in the rows of a table")
        self._rest += chunk
