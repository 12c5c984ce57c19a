"""Names of tables on their way into SQL: always a schema and a name, always quoted as identifiers.

A name never reaches SQL as text that regclass or regrole would read again: capitals, dots, blanks, quotes and line
breaks in it would mean something else there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from tutormax_cli.database.driver import AnyConnection, schema_of
from tutormax_cli.settings import DEFAULT_SCHEMA


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table (or view, sequence, index) by its schema and its name, both unquoted."""

    schema: str
    name: str

    @property
    def sql(self) -> sql.Identifier:
        """The name as SQL: `"public"."tutors"`."""
        return sql.Identifier(self.schema, self.name)

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
