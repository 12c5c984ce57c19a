"""Taking the locks of many tables without standing in an application's way for long, or deadlocking with it.

While one lock is held, the next is never waited for: a busy table is waited for first and alone, the others are then
taken at once, or all are released. Nobody can wait in a circle, and nobody queues behind us longer than TRY_SECONDS.

Nothing but SHOW, SET LOCAL, SAVEPOINT and LOCK is sent before all locks are held: a transaction that sees one moment
until its end takes that moment with its first SELECT, and TRUNCATE or a dropped table behind it would show.
"""

import time
from collections.abc import Sequence

import psycopg
from psycopg import sql
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.names import TableName, own_table
from tutormax_cli.errors import LockTimeout

TRY_SECONDS = 2.0
"""How long one try may wait; longer than deadlock_timeout, when PostgreSQL sends an autovacuum out of the way."""

DEFAULT_WAIT = 30.0
"""Seconds of trying before giving up."""


def lock_tables(
    driver: psycopg.Connection,
    tables: Sequence[TableName],
    mode: str,
    wait: float = DEFAULT_WAIT,
    *,
    only: bool = False,
) -> None:
    """Lock tables in a mode such as ACCESS EXCLUSIVE until the transaction ends. Takes no snapshot.

    Partitions and child tables are locked with them unless `only` is true.
    Raises LockTimeout, which names who holds one, after `wait` seconds; psycopg's UndefinedTable for one that is gone.
    """
    if not tables or _lock_at_once(driver, tables, mode, only):
        return
    order = list(tables)
    deadline = time.monotonic() + wait
    while busy := _busy_table(driver, order, mode, only):
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"table {busy.display} is in use{_holder(driver, busy)}; waited {wait:g} s",
                "try again when it is done; nothing was changed",
            )
        order.remove(busy)
        order.insert(0, busy)


def lock_against_writers(db: OrmSession, table: str) -> None:
    """Let others only read one of TutorMax's tables until the session's transaction ends. Raises LockTimeout."""
    driver = driver_connection(db.connection())
    lock_tables(driver, [own_table(driver, table)], "SHARE ROW EXCLUSIVE")


def _lock_at_once(driver: psycopg.Connection, tables: Sequence[TableName], mode: str, only: bool) -> bool:
    """Lock all tables in one statement if none is in use, as is nearly always the case."""
    driver.execute("SAVEPOINT locks")
    try:
        driver.execute(_lock(tables, f"{mode} MODE NOWAIT", only))
    except psycopg.errors.LockNotAvailable:
        driver.execute("ROLLBACK TO SAVEPOINT locks; RELEASE SAVEPOINT locks")
        return False
    driver.execute("RELEASE SAVEPOINT locks")
    return True


def _busy_table(driver: psycopg.Connection, order: Sequence[TableName], mode: str, only: bool) -> TableName | None:
    """Lock all tables, or none and return the one that was in use."""
    before = driver.execute("SHOW lock_timeout").fetchone()  # no snapshot either
    assert before is not None
    driver.execute(f"SAVEPOINT locks; SET LOCAL lock_timeout = '{TRY_SECONDS}s'".encode())
    for position, table in enumerate(order):
        at_once = " NOWAIT" if position else ""
        try:
            driver.execute(_lock([table], f"{mode} MODE{at_once}", only))
        except psycopg.errors.LockNotAvailable:
            driver.execute("ROLLBACK TO SAVEPOINT locks; RELEASE SAVEPOINT locks")
            return table
    driver.execute(f"SET LOCAL lock_timeout = '{before[0]}'; RELEASE SAVEPOINT locks".encode())
    return None


def _lock(tables: Sequence[TableName], how: str, only: bool) -> sql.Composed:
    each = sql.SQL("ONLY {}" if only else "{}")
    names = sql.SQL(", ").join(each.format(table.sql) for table in tables)
    return sql.SQL("LOCK TABLE {} IN ").format(names) + sql.SQL(how)


def _holder(driver: psycopg.Connection, table: TableName) -> str:
    """Describe a session that holds a lock on the table, as far as our rights let us see it."""
    row = driver.execute(
        """
        SELECT CASE WHEN application_name = '' THEN backend_type ELSE application_name END, usename, pid
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE granted AND pid <> pg_backend_pid() AND relation = (
            SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s)
        ORDER BY backend_start LIMIT 1
        """,
        [table.schema, table.name],
    ).fetchone()
    return "" if row is None else f" by {row[0] or 'a session'} of {row[1] or 'another user'}, pid {row[2]}"
