"""From an archive back into a database: all of it or nothing, and never over what somebody didn't mean to lose."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic

import psycopg

from tutormax_cli.backup.archive import Archive, Entries
from tutormax_cli.backup.loading import load
from tutormax_cli.backup.progress import Listener, Stage, silent
from tutormax_cli.backup.script import read_definitions
from tutormax_cli.backup.tables import count_rows, existing, for_people, people_call, rights_on
from tutormax_cli.backup.transaction import lock_out_writers, one_transaction
from tutormax_cli.database.admin_log import SCHEMA as LOG_SCHEMA
from tutormax_cli.database.connection import connect
from tutormax_cli.database.revisions import VERSION_TABLE, SchemaState, revisions
from tutormax_cli.errors import SchemaNotReady, TutormaxError
from tutormax_cli.settings import Settings

_CONTAINER = re.compile(r"^\d+; \d+ \d+ (?:SCHEMA|EXTENSION|COMMENT) - (?:(?:SCHEMA|EXTENSION) )?")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back: rows by table as people call it, and roles whose rights were left out."""

    rows: Mapping[str, int]
    pending: int
    missing_roles: tuple[str, ...]
    seconds: float


def refuse_newer(archive: Archive) -> SchemaState:
    """Give the state of the archive's schema. Raises SchemaNotReady where this program is too old for it."""
    state = SchemaState(archive.revision, {}, revisions())
    if state.newer_than_program:
        raise SchemaNotReady(
            f"{archive.path} holds a schema at revision {archive.revision}, newer than this tutormax "
            f"(head {state.head}); nothing was changed",
            "install the version of tutormax that made it, or a newer one",
        )
    return state


def would_lose(settings: Settings, archive: Archive) -> dict[str, int]:
    """Count the rows that a restore of this archive would take away, by table as people call it."""
    with connect(settings) as driver:
        held = count_rows(driver, _in_the_way(driver, archive))
    return for_people(held)


def restore(
    settings: Settings,
    archive: Archive,
    *,
    before: Callable[[Mapping[str, int]], None] = lambda held: None,
    waiting: Callable[[str], None] = lambda why: None,
    listener: Listener = silent,
) -> Restored:
    """Replace our tables, and others that the archive holds, with the archive's, in one transaction.

    A table that was there belongs afterwards to whom it belonged, and whoever had rights on it has them again; the
    archive's rights are for the others.

    `before` is told the rows that are in the way when nobody can write any more and nothing has been touched: the
    moment for a backup. What isn't in the archive stays, and so does the admin log, unless the database has none yet.
    Raises SchemaNotReady, LockTimeout, TutormaxError.
    """
    began = monotonic()
    state = refuse_newer(archive)
    with one_transaction(settings, waiting) as work:
        tables = _in_the_way(work.driver, archive)
        wanted = _wanted(work.driver)
        lock_out_writers(work.driver, tables)
        before(for_people(count_rows(work.driver, tables)))
        owner, rights = _owner(work.driver), rights_on(work.driver, tables)
        work.drop(tables)
        with _nothing_twice():
            rows = load(work.driver, partial(archive.script, wanted=wanted), archive.rows, listener)
        for table in rows if owner else ():
            work.driver.execute(f"ALTER TABLE {table} OWNER TO {owner}".encode())
        listener(Stage("rights"))
        archived = [line for line in _archived_rights(archive, wanted) if not _is_about(line, tables)]
        missing = _grant(work.driver, [*archived, *(statement.encode() for statement in rights)])
        _check(archive, rows)
        told = for_people(rows)
        work.record(told, "restored")
        listener(Stage("commit"))
    return Restored(told, len(state.pending), missing, monotonic() - began)


def _owner(driver: psycopg.Connection) -> str | None:
    """Give the role that owns our tables and will again, where it isn't the one that restores."""
    row = driver.execute(
        "SELECT relowner::regrole::text FROM pg_class"
        " WHERE oid = to_regclass(%s) AND relowner <> current_user::regrole",
        [f"public.{VERSION_TABLE}"],
    ).fetchone()
    return str(row[0]) if row else None


def _in_the_way(driver: psycopg.Connection, archive: Archive) -> list[str]:
    """List our tables and the archive's that the database has; those of the admin log are in nobody's way."""
    return [table for table in existing(driver, archive.rows) if not table.startswith(f"{LOG_SCHEMA}.")]


def _wanted(driver: psycopg.Connection) -> Entries:
    """Choose the archive's entries but for schemas and extensions that are there already, and a log beside ours."""
    found = driver.execute("SELECT nspname FROM pg_namespace UNION SELECT extname FROM pg_extension").fetchall()
    there = tuple(f"{name} " for (name,) in found)
    logged = f"{LOG_SCHEMA} " in there

    def wanted(entry: str) -> bool:
        container = _CONTAINER.match(entry)
        if container is not None and entry[container.end() :].startswith(there):
            return False
        return not (logged and f" {LOG_SCHEMA} " in entry)

    return wanted


@contextmanager
def _nothing_twice() -> Iterator[None]:
    """Say what to do where the archive holds a view, function or type that the database has: only tables are replaced.

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


def _archived_rights(archive: Archive, wanted: Entries) -> list[bytes]:
    """List the statements of the archive that say who may use what; each stands in one line."""
    _, *entries = read_definitions(archive.rights(wanted))
    return [line for _, entry in entries for line in entry.splitlines() if line.endswith(b";")]


def _is_about(statement: bytes, tables: Iterable[str]) -> bool:
    return any(f" ON TABLE {table} ".encode() in statement for table in tables)


def _grant(driver: psycopg.Connection, statements: Iterable[bytes]) -> tuple[str, ...]:
    """Give rights, but for those of roles that this server doesn't have, or on columns that an older table lacks."""
    missing = set()
    for statement in statements:
        try:
            with driver.transaction():
                driver.execute(statement)
        except psycopg.errors.UndefinedColumn:
            continue
        except psycopg.errors.UndefinedObject as problem:
            missing.add(re.sub(r'^role "(.*)" does not exist$', r"\1", problem.diag.message_primary or "?"))
    return tuple(sorted(missing))


def _check(archive: Archive, rows: Mapping[str, int]) -> None:
    """Compare the rows that went in with those that the archive was found to hold. Raises TutormaxError."""
    expected = [table for table in archive.rows if table in rows or not table.startswith(f"{LOG_SCHEMA}.")]
    wrong = [people_call(table) for table in expected if rows.get(table) != archive.rows[table]]
    if wrong:
        raise TutormaxError(
            f"the rows of {', '.join(wrong)} are not as many as in {archive.path}; nothing was changed",
            "the file was changed in this moment, or a trigger keeps rows away: try an empty database",
        )
