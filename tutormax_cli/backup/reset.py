"""Starting over: our tables dropped, and the schema made anew."""

from collections.abc import Callable, Mapping

from tutormax_cli.backup.tables import count_rows, existing, for_people
from tutormax_cli.backup.transaction import lock_out_writers, one_transaction
from tutormax_cli.database.connection import connect
from tutormax_cli.database.migrations import Listener as MigrationListener
from tutormax_cli.database.migrations import upgrade
from tutormax_cli.database.revisions import SchemaState
from tutormax_cli.settings import Settings


def held_rows(settings: Settings) -> dict[str, int]:
    """Count the rows of our tables that exist, by name."""
    with connect(settings) as driver:
        held = count_rows(driver, existing(driver))
    return for_people(held)


def reset(
    settings: Settings,
    *,
    before: Callable[[Mapping[str, int]], None] = lambda held: None,
    waiting: Callable[[str], None] = lambda why: None,
) -> SchemaState:
    """Drop our tables in one transaction, then bring the empty database to the newest revision.

    `before` is told the rows that are held when nobody can write any more and nothing has been dropped: the moment for
    a backup. Other tables, the database's mark and the admin log stay. Whatever stops it between the two leaves a
    database without a schema, which `init` mends. Raises LockTimeout, TutormaxError.
    """
    with one_transaction(settings, waiting) as work:
        tables = existing(work.driver)
        lock_out_writers(work.driver, tables)
        held = for_people(count_rows(work.driver, tables))
        before(held)
        work.record(held, "deleted")
        work.forget(tables)
    return upgrade(settings, listener=MigrationListener(waiting=waiting)).state
