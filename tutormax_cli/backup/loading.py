"""Running the entries of an archive over a connection of ours, one by one, within its transaction."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tutormax_cli.backup import large_objects
from tutormax_cli.backup.archive import Archive
from tutormax_cli.backup.progress import Listener, Stage
from tutormax_cli.backup.rows import LargeObject, TableRows
from tutormax_cli.backup.selection import Selection
from tutormax_cli.backup.table_of_contents import Entry, TableOfContents
from tutormax_cli.database.names import TableName, comma_separated

_PARTITIONED = "p"

_SETTINGS = {
    "search_path": "''",
    "check_function_bodies": "false",
    "xmloption": "content",
    "client_min_messages": "warning",
    "row_security": "off",
    "DateStyle": "DEFAULT",
    "TimeZone": "DEFAULT",
}
"""The settings under which pg_restore runs an archive. A view or a check may depend on the server's own time zone."""


def load(
    driver: psycopg.Connection, archive: Archive, selection: Selection, kept: frozenset[int], listener: Listener
) -> dict[TableName, int]:
    """Create what was selected, fill it, put indexes and keys on it; return the rows of each table.

    `kept` are the archive's large objects that the database has. Statistics are gathered too. Owners and tablespaces
    are those of the role and the database. Rights are not part of it. Raises psycopg.Error, TutormaxError.
    """
    with _settings(driver, archive.table_of_contents):
        large_objects.empty(driver, kept)
        _define(driver, selection.before_rows, kept, "tables", listener)
        rows = _fill(driver, archive, selection.rows, listener)
        _define(driver, selection.after_rows, kept, "indexes and keys", listener)
    if rows:
        listener(Stage("statistics"))
        driver.execute(sql.SQL("ANALYZE {}").format(comma_separated(rows)))
    return rows


def finish(driver: psycopg.Connection, archive: Archive, selection: Selection, listener: Listener) -> None:
    """Fill materialized views and create event triggers. Raises psycopg.Error."""
    with _settings(driver, archive.table_of_contents):
        _define(driver, selection.last, frozenset(), "views", listener)


@contextmanager
def _settings(driver: psycopg.Connection, contents: TableOfContents) -> Iterator[None]:
    """Have statements run under the archive's settings until the end; after an error the rollback undoes them."""
    chosen = {
        **_SETTINGS,
        "client_encoding": f"'{contents.encoding}'",
        "standard_conforming_strings": "on" if contents.standard_strings else "off",
        "escape_string_warning": "off",
        "default_table_access_method": "DEFAULT",
    }
    names = list(chosen)
    row = driver.execute(
        "SELECT array_agg(current_setting(name) ORDER BY place)"
        " FROM unnest(%s::text[]) WITH ORDINALITY wanted (name, place)",
        [names],
    ).fetchone()
    assert row is not None
    driver.execute("; ".join(f"SET LOCAL {name} = {value}" for name, value in chosen.items()).encode())
    yield
    driver.execute(
        "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) s (name, value)",
        [names, row[0]],
    )


def _define(
    driver: psycopg.Connection, entries: Sequence[Entry], kept: frozenset[int], what: str, listener: Listener
) -> None:
    for done, entry in enumerate(entries):
        listener(Stage(what, done, len(entries), f"{done} of {len(entries)}"))
        if large_objects.creates_large_objects(entry):
            large_objects.create(driver, [each for each in large_objects.large_objects_of(entry) if each not in kept])
            continue
        chosen = sql.Identifier(entry.access_method)
        if entry.access_method and entry.relation != _PARTITIONED:
            driver.execute(sql.SQL("SET LOCAL default_table_access_method = {}").format(chosen))
        if entry.definition.strip():
            driver.execute(entry.definition)
        if entry.access_method and entry.relation == _PARTITIONED:
            table = TableName(entry.schema or "", entry.name).sql
            driver.execute(sql.SQL("ALTER TABLE {} SET ACCESS METHOD {}").format(table, chosen))


def _fill(
    driver: psycopg.Connection, archive: Archive, entries: Sequence[Entry], listener: Listener
) -> dict[TableName, int]:
    rows: dict[TableName, int] = {}
    total = sum(archive.rows.values()) or None
    for part in archive.read(entries):
        if isinstance(part, LargeObject):
            for written in large_objects.fill(driver, part.id, part.pieces):
                listener(Stage("large objects", note=f"{written / 1e6:,.0f} MB of {part.id}"))
            continue
        table = TableName(part.entry.schema or "", part.entry.name)
        before = sum(rows.values())
        rows[table] = rows.get(table, 0) + _copy(driver, part, _Progress(table.display, before, total, listener))
    return rows


class _Progress:
    """Counts the rows of a table as they are sent."""

    def __init__(self, name: str, done: int, total: int | None, listener: Listener) -> None:
        self._name, self._done, self._total, self._listener = name, done, total, listener

    def __call__(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            self._done += piece.count(b"\n")
            self._listener(Stage(self._name, self._done, self._total, "rows"))


def _copy(driver: psycopg.Connection, part: TableRows, progress: _Progress) -> int:
    with driver.cursor() as cursor:
        with cursor.copy(part.entry.copy_statement) as copy:
            for piece in progress(part.pieces):
                copy.write(piece)
        return cursor.rowcount
