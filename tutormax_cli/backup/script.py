"""The SQL that pg_dump and pg_restore write, cut into statements and the rows of tables, as it streams by."""

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tutormax_cli.errors import TutormaxError

_COPY = re.compile(rb'COPY (?P<table>(?:"(?:[^"]|"")+"|[^\s"(])+) .*FROM stdin;\n')
_END_OF_ROWS = b"\\.\n"
_ENTRY = b"\n--\n-- Name: "

# Settings of the writing program that a server of another version may not know; ours are made beforehand.
_LEFT_OUT = (b"SET transaction_timeout = 0;\n", b"\\restrict ", b"\\unrestrict ")


class Section(enum.StrEnum):
    """The parts of a dump, in their order: tables; rows; indexes, keys and what else needs rows first."""

    PRE_DATA = "pre-data"
    DATA = "data"
    POST_DATA = "post-data"


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one table, named as SQL names it (`public.tutors`), and the statement that takes them.

    `data` is in COPY's text format, a row a line; it has to be read to its end before the next part is.
    """

    table: str
    statement: bytes
    data: Iterator[bytes]


def read_data(chunks: Iterable[bytes]) -> Iterator[bytes | TableRows]:
    """Cut the data section into statements and the rows of tables. Raises TutormaxError where it breaks off."""
    stream = _Stream(iter(chunks))
    statements: list[bytes] = []
    while line := stream.line():
        if (copy := _COPY.match(line)) is not None:
            yield b"".join(statements)
            statements = []
            yield TableRows(copy["table"].decode(), line, stream.rows())
        elif not line.startswith((b"--", *_LEFT_OUT)):
            statements.append(line)
    yield b"".join(statements)


def read_definitions(chunks: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Cut a section without rows into its entries: what each is called, and its statements."""
    text = b"".join(line for line in b"".join(chunks).splitlines(keepends=True) if not line.startswith(_LEFT_OUT))
    first, *entries = text.split(_ENTRY)
    return [("settings", first), *((_name(entry), entry.partition(b"\n")[2]) for entry in entries)]


def _name(entry: bytes) -> str:
    """Name an entry from its headline, `ix_sessions_subject; Type: INDEX; Schema: public; Owner: -`."""
    name, _, kind = entry.partition(b"\n")[0].decode("utf-8", "replace").partition("; Type: ")
    return f"{kind.partition(';')[0].lower()} {name}"


class _Stream:
    """Bytes that are read by lines where they are statements, and by large pieces where they are rows."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def line(self) -> bytes:
        """Give the next line with its end; empty at the end of everything."""
        while (end := self._rest.find(b"\n")) < 0:
            chunk = next(self._chunks, b"")
            if not chunk:
                line, self._rest = self._rest, b""
                return line
            self._rest += chunk
        line, self._rest = self._rest[: end + 1], self._rest[end + 1 :]
        return line

    def rows(self) -> Iterator[bytes]:
        """Give whole and broken lines up to the line that ends them, which is left out."""
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
            raise TutormaxError("the archive breaks off in the rows of a table", "it is damaged: use another one")
        self._rest += chunk
