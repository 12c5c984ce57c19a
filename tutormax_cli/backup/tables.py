"""The tables that a restore or a reset replaces: which of them exist, and how many rows they hold."""

from collections.abc import Collection, Iterable, Mapping

import psycopg
from psycopg import sql

from tutormax_cli.database.admin_log import SCHEMA as LOG_SCHEMA
from tutormax_cli.database.driver import schema_of
from tutormax_cli.database.models import Base
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE

OURS = (*Base.metadata.tables, VERSION_TABLE)
"""TutorMax's tables by their plain names, in the order in which they refer to each other."""

LOG = TableName(LOG_SCHEMA, "log")
"""The admin log. TutorMax's schema may have the same name, so the schema alone does not tell it apart."""


def own_tables(schema: str) -> list[TableName]:
    """Return the full names of TutorMax's tables."""
    return [TableName(schema, name) for name in OURS]


def existing(driver: psycopg.Connection, others: Iterable[TableName] = ()) -> list[TableName]:
    """Return those of TutorMax's tables, and of others, that exist: ours first, as they refer to each other."""
    wanted = list(dict.fromkeys([*own_tables(schema_of(driver)), *others]))
    found = driver.execute(
        """
        SELECT n.nspname, c.relname
        FROM unnest(%s::name[], %s::name[]) WITH ORDINALITY wanted (nspname, relname, place)
        JOIN pg_namespace n ON n.nspname = wanted.nspname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
        WHERE c.relkind IN ('r', 'p') ORDER BY place
        """,
        [[table.schema for table in wanted], [table.name for table in wanted]],
    ).fetchall()
    return [TableName(schema, name) for schema, name in found]


def count_rows(driver: psycopg.Connection, tables: Collection[TableName]) -> dict[TableName, int]:
    """Count the rows of tables; the rows of partitions and child tables are their own."""
    if not tables:
        return {}
    counts = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM ONLY {}").format(sql.Literal(place), table.sql)
        for place, table in enumerate(tables)
    )
    counted: dict[int, int] = dict(driver.execute(counts).fetchall())
    return {table: counted[place] for place, table in enumerate(tables)}


def display_counts(rows: Mapping[TableName, int], schema: str) -> dict[str, int]:
    """Return the rows of tables by their display names, without our own book-keeping: `schema` is TutorMax's."""
    hidden = {LOG, TableName(schema, VERSION_TABLE)}
    return {table.display: count for table, count in rows.items() if table not in hidden}
