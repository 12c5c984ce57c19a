"""Tables to files, all from one snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from tutormax_cli.database.copy.wire import driver_of
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.models import Base
from tutormax_cli.database.one_moment import begin_at_one_moment
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.exporting.sources import Source, table_source
from tutormax_cli.exporting.streams import write_rows
from tutormax_cli.exporting.targets import exported_folder
from tutormax_cli.files.compression import Compression, compressed, open_write
from tutormax_cli.files.formats import FileFormat
from tutormax_cli.files.whole import whole_file

TABLES = tuple(Base.metadata.tables)
"""The tables that can be exported, those that others refer to first."""

LOCK_PATIENCE = 30
"""Seconds to wait for a table that somebody has locked against readers."""

Listener = Callable[[str, int], None]
"""Told of a source's name how many more of its rows are written."""


@dataclass(frozen=True, slots=True)
class Form:
    """How to write rows: the format, and how they are compressed."""

    format: FileFormat
    compression: Compression | None = None

    def file_name(self, source: Source) -> str:
        """Give the name of a source's file: `sessions.csv.gz`."""
        return ".".join(part for part in (source.name, self.format.value, self.compression) if part)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file (None for a stream), its rows, and its size in bytes."""

    name: str
    path: Path | None
    rows: int
    size: int | None


def snapshot(session: Session) -> Connection:
    """Begin a read-only transaction that sees TutorMax's tables as they are now until its end, however long that takes.

    Raises SchemaNotReady, or LockTimeout if somebody rebuilds one of them for longer than LOCK_PATIENCE.
    """
    begin_at_one_moment(session, wait=LOCK_PATIENCE, read_only=True)
    connection = session.connection()
    driver = driver_of(connection)
    lift_time_limits(driver)
    # A float is written in the fewest digits that give it again, and rows are sorted in fewer passes.
    driver.execute("SET LOCAL extra_float_digits = 1; SET LOCAL work_mem = '64MB'")
    return connection


def table_sources(connection: Connection, tables: Sequence[str] = TABLES) -> list[Source]:
    """Give the sources of these tables."""
    driver = driver_of(connection)
    bytewise = _compares_bytewise(driver)
    return [table_source(Base.metadata.tables[name], schema_of(driver), bytewise=bytewise) for name in tables]


def estimated_rows(connection: Connection, sources: Sequence[Source]) -> dict[str, int | None]:
    """Estimate how many rows the tables have, from PostgreSQL's statistics; None where it has none."""
    driver = driver_of(connection)
    known = driver.execute(
        "SELECT c.relname, c.reltuples FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.reltuples > 0",
        [schema_of(driver), [source.name for source in sources]],
    )
    rows = {name: round(tuples) for name, tuples in known}
    return {source.name: rows.get(source.name) for source in sources}


def export_stream(
    connection: Connection, source: Source, form: Form, stream: BinaryIO, listener: Listener = lambda name, rows: None
) -> Exported:
    """Write a source to a stream, which is closed. Raises UsageError where Parquet lacks pyarrow."""
    with compressed(stream, form.compression) as sink:
        rows = write_rows(connection, source, form.format, sink, partial(listener, source.name))
    return Exported(source.name, None, rows, None)


def export_file(
    connection: Connection, source: Source, form: Form, path: Path, listener: Listener = lambda name, rows: None
) -> Exported:
    """Write a source to a complete file that only its owner can read, or none; an existing file is replaced.

    Raises UsageError where Parquet lacks pyarrow or the path is a folder, LockTimeout if another process is writing it,
    TutormaxError where it can't be written.
    """
    with whole_file(path, private=True) as unfinished:
        with open_write(unfinished.path, form.compression) as sink:
            rows = write_rows(connection, source, form.format, sink, partial(listener, source.name))
        size = unfinished.path.stat().st_size
    return Exported(source.name, path, rows, size)


def export_folder(
    connection: Connection,
    sources: Sequence[Source],
    form: Form,
    folder: Path,
    *,
    force: bool = False,
    listener: Listener = lambda name, rows: None,
) -> list[Exported]:
    """Write each source to a file of its own in a folder, all of them or none.

    Files that an earlier export left there are replaced, other things are not touched. Raises UsageError where there
    are such things and `force` isn't given, and what `export_file` raises.
    """
    done = []
    with exported_folder(folder, TABLES, force=force) as staging:
        for source in sources:
            written = export_file(connection, source, form, staging / form.file_name(source), listener)
            done.append(replace(written, path=folder / form.file_name(source)))
    return done


def _compares_bytewise(driver: psycopg.Connection) -> bool:
    """Tell whether the database's own collation compares texts byte by byte."""
    row = driver.execute(
        """
        SELECT coalesce(to_jsonb(d)->>'datlocprovider', 'c'), datcollate
        FROM pg_database AS d WHERE datname = current_database()
        """
    ).fetchone()
    assert row is not None
    provider, collation = row
    return provider == "b" or (provider == "c" and collation.upper() in ("C", "POSIX", "C.UTF-8", "C.UTF8"))
