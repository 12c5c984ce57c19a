"""Taking the locks of many tables at once without standing in an application's way for long, or deadlocking with it.

While one lock is held another is never waited for: a busy table is waited for first and alone, the others are then
taken at once or not at all. Nobody can wait in a circle, and nobody queues behind us longer than TRY_SECONDS.
"""

import time
from collections.abc import Sequence

import psycopg

from tutormax_cli.errors import LockTimeout

TRY_SECONDS = 2.0
"""How long one try may wait; longer than deadlock_timeout, when PostgreSQL sends an autovacuum out of the way."""

DEFAULT_WAIT = 30.0
"""Seconds of trying before giving up."""


def lock_tables(driver: psycopg.Connection, tables: Sequence[str], mode: str, wait: float = DEFAULT_WAIT) -> None:
    """Lock tables (SQL names) in a mode such as ACCESS EXCLUSIVE until the transaction ends.

    Raises LockTimeout, which says who is in the way, after `wait` seconds.
    """
    order = list(tables)
    deadline = time.monotonic() + wait
    while busy := _busy_table(driver, order, mode):
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"table {busy} is in use{_holder(driver, busy)}; waited {wait:g} s",
                "try again when it is done; nothing was changed",
            )
        order.remove(busy)
        order.insert(0, busy)


def _busy_table(driver: psycopg.Connection, order: Sequence[str], mode: str) -> str | None:
    """Lock all tables, or none and give the one that was in use."""
    before = driver.execute("SHOW lock_timeout").fetchone()
    assert before is not None
    driver.execute("SAVEPOINT locks")
    driver.execute(f"SET LOCAL lock_timeout = '{TRY_SECONDS}s'".encode())
    for position, table in enumerate(order):
        at_once = " NOWAIT" if position else ""
        try:
            driver.execute(f"LOCK TABLE {table} IN {mode} MODE{at_once}".encode())
        except psycopg.errors.LockNotAvailable:
            driver.execute("ROLLBACK TO SAVEPOINT locks")
            driver.execute("RELEASE SAVEPOINT locks")
            return table
    driver.execute("SELECT set_config('lock_timeout', %s, true)", before)
    driver.execute("RELEASE SAVEPOINT locks")
    return None


def _holder(driver: psycopg.Connection, table: str) -> str:
    """Describe a session that holds a lock on the table, as far as our rights let us see it."""
    row = driver.execute(
        """
        SELECT CASE WHEN application_name = '' THEN backend_type ELSE application_name END, usename, pid
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE relation = %s::regclass AND granted AND pid <> pg_backend_pid()
        ORDER BY backend_start LIMIT 1
        """,
        [table],
    ).fetchone()
    return "" if row is None else f" by {row[0] or 'a session'} of {row[1] or 'another user'}, pid {row[2]}"
