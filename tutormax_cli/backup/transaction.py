"""One transaction for work that happens wholly or not at all, alone, and that the admin log tells of."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg

from tutormax_cli.database import admin_log
from tutormax_cli.database.connection import connect
from tutormax_cli.database.failures import explain
from tutormax_cli.database.locks import DEFAULT_WAIT, lock_tables
from tutormax_cli.database.migration_lock import MigrationLock, migration_lock
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE, schema_state
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.errors import TutormaxError
from tutormax_cli.settings import Settings

MIGRATION_WAIT = 60.0
"""Seconds to wait for a migration that is under way."""


@dataclass(frozen=True, slots=True)
class Work:
    """An open transaction; nothing of it is there until it ends well."""

    driver: psycopg.Connection
    began: float

    def drop(self, tables: Iterable[str]) -> None:
        """Drop tables, all at once and nothing else with them. Raises LockTimeout, TutormaxError."""
        names = list(tables)
        if not names:
            return
        lock_tables(self.driver, [_table(name) for name in names], "ACCESS EXCLUSIVE", DEFAULT_WAIT)
        try:
            self.driver.execute(f"DROP TABLE {', '.join(names)}".encode())
        except psycopg.errors.DependentObjectsStillExist as problem:
            others = (problem.diag.message_detail or "").split("\n")[0]
            raise TutormaxError(
                f"something else needs a table that has to go: {others}",
                "drop it first, or use an empty database: --database-url URL",
            ) from None

    def forget(self, tables: Iterable[str]) -> None:
        """Drop our tables, but of the one that keeps the schema's revision the rows alone: its rights stay as they are.

        Raises LockTimeout, TutormaxError.
        """
        dropped = list(tables)
        for kept in [table for table in dropped if table.rpartition(".")[2] == VERSION_TABLE]:
            dropped.remove(kept)
            self.driver.execute(f"DELETE FROM {kept}".encode())
        self.drop(dropped)

    def record(self, rows: Mapping[str, int], verb: str) -> None:
        """Tell the admin log, where the database has one, what became of how many rows."""
        if admin_log.may_write(self.driver) is None:
            return
        changed = {table: {verb: count} for table, count in rows.items() if count}
        admin_log.record(self.driver, _entry(self.driver, self.began, rows=changed))


@contextmanager
def one_transaction(settings: Settings, waiting: Callable[[str], None]) -> Iterator[Work]:
    """Open a transaction while no migration runs; commit at the end, or take all back.

    An error that ends the work is told to the admin log. Raises LockTimeout where a migration goes on for long.
    """
    began = monotonic()
    with migration_lock(settings, MIGRATION_WAIT, waiting) as watcher:
        try:
            with connect(settings) as driver:
                lift_time_limits(driver)
                yield Work(driver, began)
        except psycopg.Error as problem:
            _record_failure(watcher, began, problem)
            raise explain(problem) from problem
        except BaseException as problem:
            _record_failure(watcher, began, problem)
            raise


def lock_out_writers(driver: psycopg.Connection, tables: Iterable[str]) -> None:
    """Let others only read these tables until the transaction ends. Raises LockTimeout."""
    lock_tables(driver, [_table(name) for name in tables], "SHARE ROW EXCLUSIVE", DEFAULT_WAIT)


def _table(name: str) -> TableName:
    return TableName(*name.replace('"', "").split("."))


def _record_failure(watcher: MigrationLock, began: float, problem: BaseException) -> None:
    how = admin_log.failure(problem)
    with suppress(psycopg.Error, TutormaxError):
        if how is not None and watcher.read(admin_log.may_write):
            entry = watcher.read(lambda driver: _entry(driver, began, **how))
            watcher.release_after(lambda driver: admin_log.record(driver, entry))


def _entry(driver: psycopg.Connection, began: float, **how: Any) -> admin_log.Entry:
    seconds = round(monotonic() - began, 3)
    return admin_log.Entry(admin_log.command_name(), seconds, revision=schema_state(driver).current, **how)
