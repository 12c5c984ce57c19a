"""The rows of a COPY as the bytes of a file, a megabyte at a time."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.waiting import Wait
from sqlalchemy import Connection

from tutormax_cli.database.copy.wire import copying, driver_of
from tutormax_cli.exporting.sources import Source
from tutormax_cli.exporting.statements import copy_statement
from tutormax_cli.files.formats import FileFormat

BLOCK_BYTES = 1 << 20

Progress = Callable[[int], None]
"""Told how many more rows have been written."""

Lines = list[bytes | memoryview]
"""Rows as PostgreSQL wrote them, each with its line feed."""


class Writer(Protocol):
    """Turns rows into a file of one format; `finish` writes what stands after the last row."""

    def write(self, lines: Lines) -> None: ...  # noqa: D102

    def finish(self) -> None: ...  # noqa: D102


def write_rows(
    connection: Connection, source: Source, format: FileFormat, stream: BinaryIO, progress: Progress = lambda rows: None
) -> int:
    """Write all rows of a source to a stream in the connection's transaction, and give their number.

    Memory stays flat. Raises UsageError where Parquet is asked for and pyarrow is missing.
    """
    writer = _writer(format, source, stream)
    driver = driver_of(connection)
    rows = -1 if format.delimiter else 0  # a header is no row
    with copying(connection, copy_statement(source, format).encode()):
        for lines in _blocks(driver):
            writer.write(lines)
            progress(len(lines))
            rows += len(lines)
    writer.finish()
    return rows


def _writer(format: FileFormat, source: Source, stream: BinaryIO) -> Writer:
    if format is FileFormat.PARQUET:
        from tutormax_cli.exporting.parquet import ParquetWriter

        return ParquetWriter(source, stream)
    return JsonArrayWriter(stream) if format is FileFormat.JSON else LineWriter(stream)


class LineWriter:
    """Writes rows as they are: CSV, TSV, JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, lines: Lines) -> None:
        """Write rows."""
        self._stream.write(b"".join(lines))

    def finish(self) -> None:
        """Write nothing more."""


class JsonArrayWriter:
    """Writes rows of JSON as the elements of one array, a line each."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = b"[\n"

    def write(self, lines: Lines) -> None:
        """Write rows, with a comma before each but the first; JSON text holds no line feed of its own."""
        self._stream.write(self._before + b"".join(lines)[:-1].replace(b"\n", b",\n"))
        self._before = b",\n"

    def finish(self) -> None:
        """Close the array, which may be empty."""
        self._stream.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")


def _blocks(driver: psycopg.Connection) -> Iterator[Lines]:
    """Yield the rows of the COPY that runs, in lists of about BLOCK_BYTES.

    psycopg's own reading, a generator and a wait for each row, costs more than twice as much as all else here.
    """
    ended = False
    while not ended:
        lines, ended = driver.wait(_block(driver.pgconn))
        if lines:
            yield lines
    result = driver.pgconn.get_result()
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result) if result else psycopg.OperationalError("the connection is lost")
    while driver.pgconn.get_result():
        pass


def _block(connection: pq.abc.PGconn) -> PQGen[tuple[Lines, bool]]:
    """Take rows from libpq, waiting where none has come yet; tell whether these were the last ones."""
    lines: Lines = []
    size = 0
    while size < BLOCK_BYTES:
        length, line = connection.get_copy_data(1)
        if length > 0:
            lines.append(line)
            size += length
        elif length == 0:
            while not (yield Wait.R):
                pass
            connection.consume_input()
        else:
            return lines, True
    return lines, False
