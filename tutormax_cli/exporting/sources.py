"""What can be exported: columns with their kinds, a relation to read them from, and an order of rows."""

import enum
from dataclasses import dataclass

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Enum, Float, Integer, String, Table
from sqlalchemy.dialects.postgresql import JSONB

from tutormax_cli.database.names import quoted

RELATION = "source"
"""What a source's relation is called in a statement, to tell its columns from those that are written."""


class Kind(enum.Enum):
    """What the values of a column are, which decides how each format writes them."""

    TEXT = enum.auto()
    WORD = enum.auto()
    """Text that can never begin a formula: one of our own values or codes."""
    INT = enum.auto()
    FLOAT = enum.auto()
    BOOL = enum.auto()
    TIME = enum.auto()
    TEXTS = enum.auto()
    """An array of texts."""
    JSON = enum.auto()


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a source: its name, what its values are, and the SQL that gives them."""

    name: str
    kind: Kind
    expression: str


@dataclass(frozen=True, slots=True)
class Source:
    """Something to export under a name: columns of a relation (SQL), in the order of the text columns `keys`.

    Keys are compared byte by byte, so that equal rows stand in the same order everywhere; `bytewise` says that the
    database compares texts so by itself, which lets its index serve the order.
    """

    name: str
    columns: tuple[SourceColumn, ...]
    relation: str
    keys: tuple[str, ...]
    bytewise: bool = False

    @property
    def order(self) -> str:
        """The SQL behind ORDER BY."""
        collation = "" if self.bytewise else ' COLLATE "C"'
        return ", ".join(f"{RELATION}.{quoted(key)}{collation}" for key in self.keys)


_KINDS = {Enum: Kind.WORD, String: Kind.TEXT, Boolean: Kind.BOOL, Integer: Kind.INT, Float: Kind.FLOAT}
_KINDS |= {DateTime: Kind.TIME, ARRAY: Kind.TEXTS, JSONB: Kind.JSON}


def table_source(table: Table, schema: str, *, bytewise: bool) -> Source:
    """Return all columns of a table of a schema, by its primary key."""
    columns = tuple(SourceColumn(column.name, _kind(column), quoted(column.name)) for column in table.columns)
    keys = tuple(column.name for column in table.primary_key)
    return Source(table.name, columns, f"{quoted(schema)}.{quoted(table.name)}", keys, bytewise)


def literal(text: str) -> str:
    """Write a text of ours as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _kind(column: Column[object]) -> Kind:
    return next(kind for type_, kind in _KINDS.items() if isinstance(column.type, type_))
