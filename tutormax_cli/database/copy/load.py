"""Loading much at once: the tables locked, their indexes and keys taken away, the rows copied, all put back.

Everything happens in the caller's transaction, so a failure or a kill at any point leaves the database as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table

from tutormax_cli.columns import Columns
from tutormax_cli.database.copy.definitions import Definition, definitions
from tutormax_cli.database.copy.encoding import Encoded, Progress, copy_in, send
from tutormax_cli.database.copy.wire import driver_of
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.locks import DEFAULT_WAIT, lock_tables
from tutormax_cli.database.names import TableName, comma_separated, table_oids
from tutormax_cli.database.time_limits import lift_time_limits

REBUILD_FROM_ROWS = 20_000
"""Below this a load is over before the indexes could be dropped and made again."""

REBUILD_SHARE = 0.5
"""Making an index anew costs about a third, per row, of keeping it up while rows come in: so it pays from a batch of
half the rows that are there."""

BYTES_PER_ROW = 150
"""What a row of these tables takes on disk, more or less: enough to guess how many there are before any is counted."""

SORT_MEMORY = "256MB"

Step = Callable[[str], None]
"""Told what is being done now, in words: `indexes of sessions`."""


@dataclass(frozen=True, slots=True)
class BulkLoad:
    """An open bulk load; `freeze` says that its tables were emptied here, so that rows can go in already frozen."""

    connection: Connection
    freeze: bool

    def copy_in(self, table: Table, columns: Columns, progress: Progress | None = None) -> int:
        """Load columns into one of the tables, and give the number of rows."""
        return copy_in(self.connection, table, columns, progress=progress, freeze=self.freeze)

    def send(self, rows: Encoded, progress: Progress | None = None) -> int:
        """Load rows that are encoded already, and give their number."""
        return send(self.connection, rows, progress=progress, freeze=self.freeze)


@contextmanager
def bulk_load(
    connection: Connection,
    tables: Sequence[Table],
    rows: int,
    *,
    replace: bool = False,
    step: Step = lambda what: None,
    wait: float = DEFAULT_WAIT,
) -> Iterator[BulkLoad]:
    """Prepare tables for about `rows` new rows, and at the end put indexes and keys back and ANALYZE.

    `replace` empties the tables first. Where indexes and keys can't be rebuilt (the role doesn't own the tables) or
    it would not pay, rows go in beside them. Holds locks until the caller's transaction ends: against everybody when
    rebuilding or replacing, else against writers. Raises LockTimeout after `wait` seconds in vain.
    """
    driver = driver_of(connection)
    names = [TableName(table.schema or schema_of(driver), table.name) for table in tables]
    lift_time_limits(driver)
    rebuild = rows >= REBUILD_FROM_ROWS and _rebuilding_pays(driver, names, rows, replace)
    if rebuild or replace:
        lock_tables(driver, _related(driver, names), "ACCESS EXCLUSIVE", wait)
    else:
        lock_tables(driver, names, "SHARE ROW EXCLUSIVE", wait)
    aside = definitions(driver, names) if rebuild else []
    _run(driver, *(definition.drop for definition in aside))
    emptied = replace or (rebuild and _all_empty(driver, names))
    if emptied:
        driver.execute(sql.SQL("TRUNCATE {}").format(comma_separated(names)))
    yield BulkLoad(connection, emptied)
    _put_back(driver, aside, names, step)


def _run(driver: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        driver.execute(statement.encode())


def _rebuilding_pays(driver: psycopg.Connection, names: Sequence[TableName], rows: int, replace: bool) -> bool:
    """Tell whether indexes and keys may be taken away by this role, and the batch is large against what is there."""
    row = driver.execute(
        """
        SELECT bool_and(pg_has_role(relowner, 'USAGE')), sum(pg_relation_size(oid)),
               bool_or(EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t.oid AND tgisinternal AND tgenabled <> 'O'))
        FROM pg_class AS t WHERE oid = ANY(%s::oid[])
        """,
        [table_oids(driver, _related(driver, names))],
    ).fetchone()
    assert row is not None
    owned, size, keys_switched_off = row
    held = 0 if replace else int(size) / BYTES_PER_ROW
    return bool(owned) and not keys_switched_off and rows >= REBUILD_SHARE * held


def _related(driver: psycopg.Connection, names: Sequence[TableName]) -> list[TableName]:
    """List the tables, in their order, and then others that foreign keys tie to them."""
    others = driver.execute(
        """
        SELECT DISTINCT n.nspname, c.relname
        FROM pg_constraint, unnest(ARRAY[conrelid, confrelid]) AS other
        JOIN pg_class AS c ON c.oid = other JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE contype = 'f' AND other <> ALL(%(tables)s::oid[])
          AND (conrelid = ANY(%(tables)s::oid[]) OR confrelid = ANY(%(tables)s::oid[]))
        ORDER BY 1, 2
        """,
        {"tables": table_oids(driver, names)},
    ).fetchall()
    return [*names, *(TableName(*name) for name in others)]


def _all_empty(driver: psycopg.Connection, names: Sequence[TableName]) -> bool:
    tests = sql.SQL(" AND ").join(sql.SQL("NOT EXISTS (SELECT 1 FROM {})").format(name.sql) for name in names)
    row = driver.execute(sql.SQL("SELECT {}").format(tests)).fetchone()
    return row is not None and bool(row[0])


def _put_back(driver: psycopg.Connection, aside: Sequence[Definition], names: Sequence[TableName], step: Step) -> None:
    """Make indexes and keys again, foreign keys last and with statistics to plan their check by."""
    _run(driver, "SET LOCAL default_tablespace = ''")
    driver.execute(
        "SELECT set_config('maintenance_work_mem', %(size)s, true)"
        " WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes(%(size)s)",
        {"size": SORT_MEMORY},
    )
    for definition in aside:
        if not definition.foreign_key:
            step(f"indexes of {definition.table}")
            _run(driver, *definition.create)
    step("statistics")
    for name in names:
        driver.execute(sql.SQL("ANALYZE {}").format(name.sql))
    for definition in aside:
        if definition.foreign_key:
            step(f"foreign keys of {definition.table}")
            _run(driver, *definition.create)
