"""Starting over: our tables dropped and created again, in one transaction."""

from collections.abc import Callable, Sequence

import psycopg

from tutormax_cli.backup.selection import has_log
from tutormax_cli.backup.tables import LOG, existing
from tutormax_cli.backup.transaction import Work, alone, lock_out_writers
from tutormax_cli.database.connection import connect
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.losses import Losses, count_losses
from tutormax_cli.database.migrating import open_transaction
from tutormax_cli.database.migrations import Listener, revisions_commit, upgrade, upgrade_within
from tutormax_cli.database.names import TableName, own_table
from tutormax_cli.database.revisions import VERSION_TABLE, SchemaState, schema_state
from tutormax_cli.database.sequences import keep_places_of_new_sequences
from tutormax_cli.database.time_limits import lift_time_limits
from tutormax_cli.settings import Settings

Before = Callable[[Losses], None]
"""Called with the rows to be deleted when nobody else can write any more and nothing has been changed: the moment to
compare them with what was confirmed, and for a backup."""


def would_delete(settings: Settings) -> Losses:
    """Count the rows of our tables that exist."""
    with connect(settings) as driver:
        return _losses(driver, existing(driver))


def reset(
    settings: Settings,
    *,
    before: Before = lambda held: None,
    waiting: Callable[[str], None] = lambda why: None,
) -> SchemaState:
    """Drop our tables and create them again at the newest revision, in one transaction; return the schema's state.

    Other tables, the database's label and the admin log stay. If a revision commits by itself (an index that is created
    CONCURRENTLY), the tables are created in transactions of their own. Raises LockTimeout, TutormaxError.
    """
    with alone(settings, waiting) as began, open_transaction(settings) as connection:
        work = Work(driver_connection(connection), began)
        lift_time_limits(work.driver)
        unrecorded = _delete(work, before)
        if not revisions_commit():
            upgrade_within(connection)
            if unrecorded is not None:  # the log is as new as the tables
                work.record(_rows(unrecorded), "deleted")
            keep_places_of_new_sequences(work.driver)
            return schema_state(work.driver)
    return upgrade(settings, listener=Listener(waiting=waiting)).state


def _delete(work: Work, before: Before) -> Losses | None:
    """Drop our tables; return what was deleted, or None if that is in the admin log."""
    driver = work.driver
    tables = existing(driver)
    lock_out_writers(driver, tables)
    held = _losses(driver, tables)
    before(held)
    if logged := has_log(driver):
        lock_out_writers(driver, [LOG])  # the revisions change its trigger, and could wait for it
        work.record(_rows(held), "deleted")
    work.drop_but_keep_version_table(tables)
    return None if logged else held


def _rows(losses: Losses) -> dict[TableName, int]:
    return {table: loss.rows for table, loss in losses.tables.items()}


def _losses(driver: psycopg.Connection, tables: Sequence[TableName]) -> Losses:
    version = own_table(driver, VERSION_TABLE)
    return count_losses(driver, [table for table in tables if table != version])
