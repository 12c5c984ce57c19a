"""Replacing tables of a database by those of an archive, in an open transaction: what restore and promote share."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tutormax_cli.backup.archive import Archive, defined_tables
from tutormax_cli.backup.contents import Contents, Digest, differences, read_contents
from tutormax_cli.backup.large_objects import existing_large_objects, large_objects_of, loss_of
from tutormax_cli.backup.loading import finish, load
from tutormax_cli.backup.progress import Listener, Stage
from tutormax_cli.backup.rights import Right, for_large_objects, grant, read_rights, rights_on
from tutormax_cli.backup.selection import Kept, Selection, read_kept, select
from tutormax_cli.backup.table_of_contents import Entry, sequence_states
from tutormax_cli.backup.tables import LOG, existing
from tutormax_cli.backup.transaction import Work
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.losses import Losses, count_losses
from tutormax_cli.database.migrating import create_schema
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.database.sequences import keep_places_of_new_sequences
from tutormax_cli.errors import TutormaxError, UsageError
from tutormax_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Replaced:
    """What is in the database now: the rows of each table, what was compared, and roles that the server lacks."""

    rows: Mapping[TableName, int]
    contents: Contents
    missing_roles: tuple[str, ...]


Comparison = Callable[[psycopg.Connection, Archive, Selection, Mapping[TableName, int], Listener], Contents]
"""Returns the contents of what was restored."""


def require_schema(settings: Settings, archive: Archive) -> None:
    """Raise UsageError if the archive holds TutorMax's tables in another schema than the settings name."""
    if archive.schema != settings.schema:
        raise UsageError(
            f"{archive.path} holds TutorMax's tables in schema {archive.schema}, but the settings name schema "
            f"{settings.schema}; nothing was changed",
            f"restore it there: export TUTORMAX_SCHEMA={shlex.quote(archive.schema)}",
        )


def tables_in_the_way(driver: psycopg.Connection, archive: Archive) -> list[TableName]:
    """List our tables and the archive's that the database has; the admin log is in nobody's way."""
    held = [*defined_tables(archive.table_of_contents.entries), *archive.rows]
    return [table for table in existing(driver, held) if table != LOG]


def losses_of(driver: psycopg.Connection, archive: Archive, tables: Sequence[TableName]) -> Losses:
    """Count the rows that are lost if these tables are replaced, and the large objects that the archive has too."""
    version = TableName(schema_of(driver), VERSION_TABLE)
    large_objects = loss_of(existing_large_objects(driver, archive.large_objects))
    return count_losses(driver, [table for table in tables if table != version], large_objects)


def replace_tables(
    work: Work,
    archive: Archive,
    tables: Sequence[TableName],
    *,
    verb: str,
    archived_rights: bool,
    listener: Listener,
    compare: Comparison | None = None,
) -> Replaced:
    """Drop tables, restore what the archive holds, compare it, and record it in the admin log by this verb.

    A table that existed has its owner and its rights again; the rights in the archive are for the other tables, if
    wanted. `compare` takes the place of the usual comparison, which refuses every difference. Raises LockTimeout,
    TutormaxError, psycopg.Error.
    """
    driver = work.driver
    kept = read_kept(driver, archive, tables)
    selection = select(archive, kept)
    owner, rights = _owner(driver), rights_on(driver, tables)
    work.drop(tables)
    with _explain_duplicate_objects():
        _create_schema(driver, archive)
        rows = load(driver, archive, selection, kept.large_objects, listener)
    contents = (compare or _compare)(driver, archive, selection, rows, listener)
    work.record(rows, verb)
    keep_places_of_new_sequences(driver)
    _give(driver, defined_tables(selection.before_rows), owner)
    listener(Stage("rights"))
    archived = _archived_rights(archive, selection.rights, kept) if archived_rights else ()
    missing = grant(driver, [*archived, *rights])
    with _explain_duplicate_objects():
        finish(driver, archive, selection, listener)
    return Replaced(rows, contents, missing)


def _owner(driver: psycopg.Connection) -> str | None:
    """Return the role that owns our tables and will again, if it isn't the one that restores."""
    row = driver.execute(
        "SELECT r.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE n.nspname = %s AND c.relname = %s AND r.rolname <> current_user",
        [schema_of(driver), VERSION_TABLE],
    ).fetchone()
    return str(row[0]) if row else None


def _create_schema(driver: psycopg.Connection, archive: Archive) -> None:
    """Create our schema if neither the database nor the archive has it: a dump of single tables has no schemas."""
    if not any((entry.kind, entry.name) == ("SCHEMA", archive.schema) for entry in archive.table_of_contents.entries):
        create_schema(driver)


def _give(driver: psycopg.Connection, tables: Iterable[TableName], owner: str | None) -> None:
    """Let a role own tables; their indexes and the sequences of their columns follow."""
    for table in tables if owner is not None else ():
        driver.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(table.sql, sql.Identifier(owner or "")))


@contextmanager
def _explain_duplicate_objects() -> Iterator[None]:
    """Explain that the archive holds a view, function or type that the database has: only tables are replaced.

    Raises TutormaxError.
    """
    try:
        yield
    except (
        psycopg.errors.DuplicateObject,
        psycopg.errors.DuplicateTable,
        psycopg.errors.DuplicateFunction,
        psycopg.errors.DuplicateSchema,
    ) as problem:
        raise TutormaxError(
            f"the archive holds what the database has too, and only tables are replaced: "
            f"{problem.diag.message_primary}; nothing was changed",
            "drop it first, or restore into an empty database: --database-url URL",
        ) from problem


def _archived_rights(archive: Archive, entries: Iterable[Entry], kept: Kept) -> Iterator[Right]:
    """Read the statements of the archive about who may use what; many large objects share one entry."""
    contents = archive.table_of_contents
    large_objects = {entry.id: ids for entry in contents.entries if (ids := large_objects_of(entry))}
    for entry in entries:
        text = contents.decode(entry.definition)
        about = [number for each in entry.dependencies for number in large_objects.get(each, ())]
        if about:
            text = for_large_objects(text, [number for number in about if number not in kept.large_objects])
        yield from read_rights(text)


def _compare(
    driver: psycopg.Connection,
    archive: Archive,
    selection: Selection,
    rows: Mapping[TableName, int],
    listener: Listener,
) -> Contents:
    """Compare what was restored with what the archive was found to hold, and with its seal. Raises TutormaxError."""
    wrong = [table.display for table, count in rows.items() if archive.rows[table] != count]
    places = sequence_states(selection.after_rows)
    tables: list[TableName] = []
    large_objects: frozenset[int] = frozenset()
    expected = Contents({}, places, Digest(0, "0"))
    if archive.seal is not None:
        sealed = archive.seal.contents
        tables, large_objects = _readable(driver, rows), archive.large_objects
        digests = {table: digest for table, digest in sealed.tables.items() if table in tables}
        expected = Contents(digests, places, sealed.large_objects)
    listener(Stage("comparing"))
    found = read_contents(driver, tables, sequences=list(places), large_objects=large_objects, listener=listener)
    wrong += [difference.message for difference in differences(expected, found)]
    if wrong:
        raise TutormaxError(
            f"what was restored is not what {archive.path} holds ({'; '.join(wrong)}); nothing was changed",
            "the file was changed in this moment, or a setting of the server changes rows: try another server",
        )
    return found


def _readable(driver: psycopg.Connection, tables: Iterable[TableName]) -> list[TableName]:
    """Omit tables of which a policy may hide rows from us."""
    return [table for table in tables if not _hides_rows(driver, table)]


def _hides_rows(driver: psycopg.Connection, table: TableName) -> bool:
    row = driver.execute(
        "SELECT row_security_active(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        [table.schema, table.name],
    ).fetchone()
    return bool(row and row[0])
