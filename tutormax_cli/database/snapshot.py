"""Snapshots of the database that other sessions can't spoil.

A snapshot alone does not protect its reader: TRUNCATE, DROP TABLE and an ALTER TABLE that rewrites the rows leave
nothing for those who look at an older moment. So the tables are locked against these first, and the snapshot is taken
under the locks. The list of tables has to be known before they can be locked: it is read in an earlier transaction, and
again by the first query under the locks. If it changed in between, everything starts over.

Nothing but SET LOCAL, SHOW, SAVEPOINT and LOCK is sent before the last lock is held: any SELECT takes the snapshot.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from tutormax_cli.database.connection import connect, refuse_pooler
from tutormax_cli.database.locks import TRY_SECONDS, lock_tables
from tutormax_cli.database.names import TableName
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import LockTimeout, TutormaxError
from tutormax_cli.settings import Settings

WAIT = 30.0
"""Seconds of trying before giving up."""

_PAUSE_SECONDS = 0.2
"""How long others get what they wait for before the next try, on average."""

T = TypeVar("T")


class SnapshotLostError(TutormaxError):
    """Something that no lock protects was changed, or locked, under a program that reads a snapshot.

    The work has to start over with a new snapshot. `error` is what the program failed with; `waited` means that it
    waited for a lock.
    """

    def __init__(self, error: TutormaxError, *, waited: bool) -> None:
        super().__init__(error.message, error.hint)
        self.error = error
        self.waited = waited


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open transaction that sees one moment; `tables` are locked against TRUNCATE, DROP and rewriting.

    pg_dump and other sessions import the moment by its `id`.
    """

    driver: psycopg.Connection
    tables: tuple[TableName, ...]
    id: str


def in_snapshot(
    settings: Settings,
    work: Callable[[Snapshot], T],
    *,
    what: str,
    tables: Collection[TableName] | None = None,
    wait: float = WAIT,
) -> T:
    """Do `work` in a snapshot of these tables with their descendants, or of all tables that pg_dump dumps.

    If the work raises SnapshotLostError, all locks are released and it is called again with a new snapshot, until
    `wait` seconds are over or it fails twice in the same way without having waited. `what` needs the snapshot, for
    people: `a dump`. Raises UsageError for a connection through a pooler, LockTimeout, TutormaxError for a table that
    the role may not read, and what the work raises.
    """
    deadline = time.monotonic() + wait
    earlier: SnapshotLostError | None = None
    with connect(settings) as driver:
        refuse_pooler(driver, settings, what)
        while True:
            held = take_snapshot(driver, tables, max(0.0, deadline - time.monotonic()))
            try:
                return work(Snapshot(driver, held, _export(driver)))
            except SnapshotLostError as problem:
                driver.rollback()
                _give_up(problem, earlier, wait, expired=time.monotonic() >= deadline)
                earlier = problem
            time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))


def take_snapshot(
    driver: psycopg.Connection, tables: Collection[TableName] | None = None, wait: float = WAIT
) -> tuple[TableName, ...]:
    """Begin a read-only transaction that sees one moment of these tables with their descendants; return all of them.

    None stands for all tables that pg_dump dumps. The connection's open transaction, if any, is rolled back. Raises
    LockTimeout after `wait` seconds, TutormaxError for a table that the role may not read.
    """
    deadline = time.monotonic() + wait
    while True:
        driver.rollback()
        driver.isolation_level, driver.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        lift_time_limits(driver)
        before = _list_tables(driver, tables)
        driver.rollback()
        if _lock(driver, [name for _, name in before], deadline) and _list_tables(driver, tables) == before:
            return tuple(name for _, name in before)
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"other sessions created or dropped tables again and again; waited {wait:g} s",
                "try again when they are done",
            )


def _give_up(problem: SnapshotLostError, earlier: SnapshotLostError | None, wait: float, *, expired: bool) -> None:
    """Raise the error of work that is not to be tried again."""
    if expired:
        raise LockTimeout(
            f"other sessions lock tables or change them; waited {wait:g} s: {problem.message}",
            "try again when they are done; tutormax doctor names who blocks whom",
        ) from None
    if earlier is not None and not problem.waited and problem.message == earlier.message:
        raise problem.error from None


def _export(driver: psycopg.Connection) -> str:
    row = driver.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    return str(row[0])


_LIST = """
    WITH RECURSIVE chosen (oid) AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE %(all)s OR (n.nspname, c.relname) IN (SELECT * FROM unnest(%(schemas)s::name[], %(names)s::name[]))
        UNION SELECT i.inhrelid FROM chosen JOIN pg_inherits i ON i.inhparent = chosen.oid
    )
    SELECT c.oid, n.nspname, c.relname
    FROM chosen JOIN pg_class c ON c.oid = chosen.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'
      AND (has_table_privilege(c.oid, 'SELECT') IS DISTINCT FROM false OR NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
    ORDER BY n.nspname, c.relname
"""
"""pg_dump dumps no other session's temporary tables. Of tables that belong to extensions it dumps what the extension
names, so those that the role may not read don't stop it."""


def _list_tables(driver: psycopg.Connection, tables: Collection[TableName] | None) -> Sequence[tuple[int, TableName]]:
    """Return the tables to be locked, by OID and name."""
    chosen = tables or ()
    found = driver.execute(
        _LIST,
        {
            "all": tables is None,
            "schemas": [table.schema for table in chosen],
            "names": [table.name for table in chosen],
        },
    )
    return [(oid, TableName(schema, name)) for oid, schema, name in found]


def _lock(driver: psycopg.Connection, tables: Sequence[TableName], deadline: float) -> bool:
    """Begin a transaction and lock tables in it; return whether all of them still exist."""
    lift_time_limits(driver)
    try:
        lock_tables(driver, tables, "ACCESS SHARE", deadline - time.monotonic(), only=True)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.WrongObjectType):
        return False
    except psycopg.errors.InsufficientPrivilege as problem:
        raise TutormaxError(
            f"this role may not read every table: {problem.diag.message_primary}",
            "use a role that may: --database-url URL",
        ) from problem
    # For what is read later and can't be locked, such as sequences.
    driver.execute(f"SET LOCAL lock_timeout = '{TRY_SECONDS}s'".encode())
    return True
