"""A session whose every statement sees the same moment.

In READ COMMITTED each statement sees what is committed when it begins, so a result made of several mixes states. And
REPEATABLE READ alone is not enough: TRUNCATE and a rebuilt table show behind its snapshot. So the tables are locked
first, and the snapshot comes with the first SELECT afterwards.
"""

from collections.abc import Sequence

import psycopg
from sqlalchemy.orm import Session as OrmSession

from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.engine import driver_connection
from tutormax_cli.database.locks import lock_tables
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import SchemaState, schema_state
from tutormax_cli.errors import LockTimeout


def begin_at_one_moment(
    db: OrmSession, state: SchemaState, locked: Sequence[str] = (), *, wait: float, read_only: bool = False
) -> None:
    """End the session's transaction and begin one that sees a single moment of TutorMax's tables until its end.

    `state` is the schema's as just read. `locked` tables are locked against other writers, the others against being
    emptied or rebuilt. Raises LockTimeout after `wait` seconds, or if the schema changes meanwhile.
    """
    readable = _readable_tables(driver_connection(db.connection()))
    db.rollback()
    options = {"isolation_level": "REPEATABLE READ"} | ({"postgresql_readonly": True} if read_only else {})
    driver = driver_connection(db.connection(execution_options=options))
    others = [table for table in readable if table.name not in locked]
    lock_tables(driver, [table for table in readable if table.name in locked], "SHARE ROW EXCLUSIVE", wait)
    lock_tables(driver, others, "ACCESS SHARE", wait)
    if schema_state(driver).current != state.current or _readable_tables(driver) != readable:
        raise LockTimeout("the schema was changed in this moment; nothing was changed", "try again")


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
