"""Names on their way into SQL: always a schema and a name, always quoted as identifiers.

A name never reaches SQL as text that regclass or regrole would read again: capitals, dots, blanks, quotes and line
breaks in it would mean something else there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tutormax_cli.database.driver import AnyConnection, schema_of
from tutormax_cli.settings import DEFAULT_SCHEMA

SCHEMA_PLACE = "{schema}"
"""Stands in our SQL files for the schema of TutorMax's tables."""


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table (or view, sequence, index) by its schema and its name, both unquoted."""

    schema: str
    name: str

    @property
    def sql(self) -> sql.Identifier:
        """The name as SQL, for statements without parameters: `"public"."tutors"`."""
        return sql.Identifier(self.schema, self.name)

    @property
    def text(self) -> str:
        """The name as text of a statement that is executed with parameters, in which % is written twice."""
        return f"{quoted(self.schema)}.{quoted(self.name)}".replace("%", "%%")

    @property
    def display(self) -> str:
        """The name for people: the schema only if it is not `public`."""
        return self.name if self.schema == DEFAULT_SCHEMA else f"{self.schema}.{self.name}"


def own_table(connection: AnyConnection, name: str) -> TableName:
    """Return the full name of one of TutorMax's tables on this connection."""
    return TableName(schema_of(connection), name)


def comma_separated(tables: Iterable[TableName]) -> sql.Composed:
    """Compose a list of tables for LOCK, TRUNCATE, DROP TABLE, …"""
    return sql.SQL(", ").join(table.sql for table in tables)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def in_schema(statement: str, connection: AnyConnection) -> str:
    """Return a statement of ours with the schema of TutorMax's tables in its places, to be run with parameters."""
    return statement.replace(SCHEMA_PLACE, quoted(schema_of(connection)).replace("%", "%%"))


def table_oids(driver: psycopg.Connection, tables: Sequence[TableName]) -> list[int]:
    """Return the object numbers of tables that exist, in their order."""
    found = driver.execute(
        """
        SELECT c.oid FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS wanted (nspname, relname, place)
        JOIN pg_namespace AS n ON n.nspname = wanted.nspname
        JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.relname ORDER BY place
        """,
        [[table.schema for table in tables], [table.name for table in tables]],
    ).fetchall()
    return [oid for (oid,) in found]
