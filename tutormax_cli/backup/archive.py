"""An archive in pg_dump's custom format: read to its end before anybody relies on it."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from tutormax_cli.backup.large_objects import large_objects_of
from tutormax_cli.backup.programs import output_of
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.rows import LARGE_OBJECTS, TABLE_ROWS, LargeObject, TableRows, read_rows
from tutormax_cli.backup.seal import Seal, is_broken, read_seal
from tutormax_cli.backup.table_of_contents import Compression, Entry, TableOfContents, damaged, read_table_of_contents
from tutormax_cli.database.clients import client_program
from tutormax_cli.database.embedded.variables import without_libpq_variables
from tutormax_cli.database.models import Base
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings

TABLE = "TABLE"
"""The kind of entries that create a table."""

_READERS = {13: 10, 14: 12, 15: 16, 16: 17}
"""The first PostgreSQL whose pg_restore reads a minor version of the format (1.14, say)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a TutorMax database, found to be complete.

    `reader` is a pg_restore that reads it; `schema` holds TutorMax's tables, at `revision`. `rows` counts the rows of
    each table, in the archive's order; `large_objects` are OIDs. `seal` is None if it was not made by `tutormax dump`.
    """

    path: Path
    reader: Path
    table_of_contents: TableOfContents
    schema: str
    revision: str
    rows: Mapping[TableName, int]
    large_objects: frozenset[int]
    seal: Seal | None

    @property
    def made_at(self) -> str:
        """When it was made, with the zone: UTC, or that of the machine that made it if it has no seal."""
        if self.seal is None:
            return f"{self.table_of_contents.made_at:%Y-%m-%d %H:%M:%S} (local time)"
        return f"{self.seal.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def read(self, entries: Sequence[Entry]) -> Iterator[TableRows | LargeObject]:
        """Read the rows and large objects of entries that have some, in the order of the entries.

        Each part has to be read before the next one is. Raises TutormaxError for a damaged archive.
        """
        return _read(self.reader, self.path, entries)


def read_archive(settings: Settings, path: Path, listener: Listener = silent) -> Archive:
    """Read an archive to its end.

    If it holds TutorMax's tables in several schemas, those in the schema of the settings count. Raises UsageError for a
    file that is no such archive, TutormaxError for one that is damaged or of a newer program.
    """
    listener(Stage("checking the archive"))
    contents = read_table_of_contents(path)
    if is_broken(path):
        raise damaged(path, "its checksum is another one")
    seal = read_seal(path)
    _refuse_inserts(path, contents)
    reader = client_program("pg_restore", settings, _READERS[contents.version])
    try:
        rows, revisions = _count(reader, path, contents, listener)
    except TutormaxError as problem:
        raise _unreadable(path, contents, reader, problem) from None
    schema = _schema(rows, revisions, settings.schema if seal is None else seal.schema)
    if schema is None:
        raise UsageError(f"{path} is an archive of PostgreSQL, but not of a TutorMax database", "name another file")
    if TableName(schema, VERSION_TABLE) not in defined_tables(contents.entries):
        raise UsageError(
            f"{path} holds rows without their tables: pg_dump was run with --data-only",
            "dump the database again without --data-only (tutormax dump does that)",
        )
    large_objects = frozenset(number for entry in contents.entries for number in large_objects_of(entry))
    return Archive(path, reader, contents, schema, revisions[schema], rows, large_objects, seal)


def defined_tables(entries: Iterable[Entry]) -> list[TableName]:
    """Return the tables that entries create."""
    return [TableName(entry.schema or "", entry.name) for entry in entries if entry.kind == TABLE]


def _read(reader: Path, path: Path, entries: Sequence[Entry]) -> Iterator[TableRows | LargeObject]:
    if not entries:
        return
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as chosen:
        chosen.writelines(f"{entry.id};\n" for entry in entries)
        chosen.flush()
        command: list[str | Path] = [reader, "--no-owner", f"--use-list={chosen.name}", "--file=-", path]
        yield from read_rows(output_of(command, without_libpq_variables()), entries)


def _refuse_inserts(path: Path, contents: TableOfContents) -> None:
    """Raise UsageError for an archive without COPY statements, or of rows alone; TutormaxError for unknown rows."""
    for entry in contents.entries:
        if entry.has_rows and entry.kind not in (TABLE_ROWS, LARGE_OBJECTS):
            raise TutormaxError(f"{path} holds {entry.kind}, which this tutormax can't restore", "use pg_restore")
        if entry.kind == TABLE_ROWS and not entry.copy_statement.endswith(b" FROM stdin;\n"):
            raise UsageError(
                f"{path} holds rows as INSERT statements: pg_dump was run with --inserts",
                "dump the database again without --inserts (tutormax dump does that)",
            )


def _unreadable(path: Path, contents: TableOfContents, reader: Path, problem: TutormaxError) -> TutormaxError:
    """Return the error for an archive that pg_restore can't read: it is damaged, or compressed in another way."""
    if contents.compression in (Compression.LZ4, Compression.ZSTD):
        return TutormaxError(
            f"{reader} can't read {path}, which is compressed with {contents.compression.name.lower()}: "
            f"{problem.message}",
            f"put a pg_restore that knows {contents.compression.name.lower()} on PATH, or dump with --compress=gzip",
        )
    return damaged(path, problem.message)


def _count(
    reader: Path, path: Path, contents: TableOfContents, listener: Listener
) -> tuple[dict[TableName, int], dict[str, str]]:
    """Decode everything; return the rows of each table, and the newest revision in each schema that has one."""
    rows: dict[TableName, int] = {}
    revisions: dict[str, str] = {}
    for part in _read(reader, path, [entry for entry in contents.entries if entry.has_rows]):
        kept = b""
        if isinstance(part, LargeObject):
            for _ in part.pieces:
                listener(Stage("checking large objects"))
            continue
        table = TableName(part.entry.schema or "", part.entry.name)
        rows.setdefault(table, 0)
        for piece in part.pieces:
            rows[table] += piece.count(b"\n")
            kept = kept or piece
            listener(Stage(f"checking {table.name}", sum(rows.values()), note="rows"))
        if table.name == VERSION_TABLE and kept:  # other programs that use Alembic have a table of this name too
            revisions[table.schema] = max(kept.decode("utf-8", "replace").split())
    return rows, revisions


def _schema(rows: Mapping[TableName, int], revisions: Mapping[str, str], preferred: str) -> str | None:
    """Return the schema that holds TutorMax's tables: the preferred one, if several do."""
    ours = {table.schema for table in rows if table.name in Base.metadata.tables}
    found = [schema for schema in revisions if schema in ours]
    return preferred if preferred in found else next(iter(found), None)
