"""A session whose every statement sees the same moment.

In READ COMMITTED each statement sees what is committed when it begins, so a result made of several mixes states. And
REPEATABLE READ alone is not enough: TRUNCATE and a rebuilt table show behind its snapshot. So the tables are locked
first, and the snapshot comes with the first SELECT afterwards.
"""

import time
from collections.abc import Sequence

import psycopg
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.locks import lock_tables
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import SchemaState, require_head, schema_state
from tutormax_cli.errors import LockTimeout


def begin_at_one_moment(
    db: OrmSession, locked: Sequence[str] = (), *, wait: float, read_only: bool = False
) -> SchemaState:
    """End the session's transaction and begin one that sees a single moment of TutorMax's tables until its end.

    `locked` tables are locked against other writers, the others against being emptied or rebuilt. Return the schema's
    state at that moment; if it or the tables change before they are locked, start over. Raises SchemaNotReady if the
    schema is not at head, LockTimeout after `wait` seconds.
    """
    deadline = time.monotonic() + wait
    while True:
        db.rollback()
        earlier = _state_and_tables(driver_connection(db.connection()))
        db.rollback()
        options = {"isolation_level": "REPEATABLE READ"} | ({"postgresql_readonly": True} if read_only else {})
        driver = driver_connection(db.connection(execution_options=options))
        if _lock(driver, earlier[1], locked, deadline) and _state_and_tables(driver) == earlier:
            return earlier[0]
        if time.monotonic() >= deadline:
            raise LockTimeout(f"the schema was changed again and again; waited {wait:g} s", "try again later")


def _lock(driver: psycopg.Connection, tables: Sequence[TableName], locked: Sequence[str], deadline: float) -> bool:
    """Lock tables; return whether all of them still exist."""
    chosen = [table for table in tables if table.name in locked]
    others = [table for table in tables if table.name not in locked]
    try:
        lock_tables(driver, chosen, "SHARE ROW EXCLUSIVE", deadline - time.monotonic())
        lock_tables(driver, others, "ACCESS SHARE", deadline - time.monotonic())
    except psycopg.errors.UndefinedTable:
        return False
    return True


def _state_and_tables(driver: psycopg.Connection) -> tuple[SchemaState, list[TableName]]:
    state = schema_state(driver)
    require_head(state)
    return state, _readable_tables(driver)


def _readable_tables(driver: psycopg.Connection) -> list[TableName]:
    """List TutorMax's tables that this role may read, the version table among them."""
    from tutormax_cli.database.models import Base
    from tutormax_cli.database.revisions import VERSION_TABLE

    found = driver.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relkind IN ('r', 'p')"
        " AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname",
        [schema_of(driver), [*Base.metadata.tables, VERSION_TABLE]],
    ).fetchall()
    return [TableName(schema_of(driver), name) for (name,) in found]
