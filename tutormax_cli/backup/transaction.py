"""One transaction for work that happens as a whole or not at all, alone, and that the admin log records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql

from tutormax_cli.backup.tables import display_counts
from tutormax_cli.database import admin_log
from tutormax_cli.database.connection import connect
from tutormax_cli.database.driver import note_change, schema_of
from tutormax_cli.database.failures import explain
from tutormax_cli.database.locks import DEFAULT_WAIT, lock_tables
from tutormax_cli.database.migration_lock import MigrationLock, migration_lock
from tutormax_cli.database.names import TableName, comma_separated
from tutormax_cli.database.revisions import VERSION_TABLE, schema_state
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

MIGRATION_WAIT = 60.0
"""Seconds to wait for a migration that is under way."""


@dataclass(frozen=True, slots=True)
class Work:
    """An open transaction; nothing of it exists for others until it ends well."""

    driver: psycopg.Connection
    began: float

    def drop(self, tables: Iterable[TableName]) -> None:
        """Drop tables, all at once and nothing else with them. Raises LockTimeout, TutormaxError."""
        names = list(tables)
        if not names:
            return
        lock_against_all(self.driver, names)
        try:
            self.driver.execute(sql.SQL("DROP TABLE {}").format(comma_separated(names)))
        except psycopg.errors.DependentObjectsStillExist as problem:
            others = (problem.diag.message_detail or "").split("\n")[0]
            raise TutormaxError(
                f"something else needs a table that has to be dropped: {others}",
                "drop it first, or use an empty database: --database-url URL",
            ) from None

    def drop_but_keep_version_table(self, tables: Iterable[TableName]) -> None:
        """Drop our tables; of the one that keeps the schema's revision delete the rows alone: its rights are unchanged.

        Raises LockTimeout, TutormaxError.
        """
        names = list(tables)
        version = TableName(schema_of(self.driver), VERSION_TABLE)
        if version in names:
            self.driver.execute(sql.SQL("DELETE FROM {}").format(version.sql))
        self.drop(table for table in names if table != version)

    def record(self, rows: Mapping[TableName, int], verb: str) -> bool:
        """Add an entry to the admin log about rows, if the database has a log; return whether it has."""
        note_change(self.driver)
        if admin_log.may_write(self.driver) is None:
            return False
        counts = display_counts(rows, schema_of(self.driver))
        changed = {table: {verb: count} for table, count in counts.items() if count}
        admin_log.record(self.driver, _entry(self.driver, self.began, rows=changed))
        return True


@contextmanager
def one_transaction(settings: Settings, waiting: Callable[[str], None]) -> Iterator[Work]:
    """Open a transaction while no migration runs; commit at the end, or roll back.

    Raises what `alone` does.
    """
    with alone(settings, waiting) as began, connect(settings) as driver:
        lift_time_limits(driver)
        yield Work(driver, began)


@contextmanager
def alone(settings: Settings, waiting: Callable[[str], None]) -> Iterator[float]:
    """Keep migrations away; return the monotonic time. An error that ends the work is recorded in the admin log.

    `waiting` is called with the reason for a wait. Raises LockTimeout if a migration takes long.
    """
    began = monotonic()
    with migration_lock(settings, MIGRATION_WAIT, waiting) as watcher:
        try:
            yield began
        except psycopg.Error as problem:
            _record_failure(watcher, began, problem)
            raise explain(problem) from problem
        except BaseException as problem:
            _record_failure(watcher, began, problem)
            raise


def lock_out_writers(driver: psycopg.Connection, tables: Iterable[TableName]) -> None:
    """Let others only read these tables until the transaction ends. Raises LockTimeout."""
    _lock(driver, tables, "SHARE ROW EXCLUSIVE")


def lock_against_all(driver: psycopg.Connection, tables: Iterable[TableName]) -> None:
    """Let nobody else even read these tables until the transaction ends. Raises LockTimeout."""
    _lock(driver, tables, "ACCESS EXCLUSIVE")


def _lock(driver: psycopg.Connection, tables: Iterable[TableName], mode: str) -> None:
    lock_tables(driver, list(tables), mode, DEFAULT_WAIT)


def _record_failure(watcher: MigrationLock, began: float, problem: BaseException) -> None:
    how = admin_log.failure(problem)
    with suppress(psycopg.Error, TutormaxError):
        if how is not None and watcher.read(admin_log.may_write):
            entry = watcher.read(lambda driver: _entry(driver, began, **how))
            watcher.release_after(lambda driver: admin_log.record(driver, entry))


def _entry(driver: psycopg.Connection, began: float, **how: Any) -> admin_log.Entry:
    seconds = round(monotonic() - began, 3)
    return admin_log.Entry(admin_log.command_name(), seconds, revision=schema_state(driver).current, **how)
