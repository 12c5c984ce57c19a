"""The rows that a destructive command deletes: counted when it asks, and again before it deletes them.

A count alone would not show that other rows have taken the place of those that were confirmed. So the keys of a table
are part of it: a sum of 64-bit hashes, which the server computes in one scan.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
from psycopg import sql

from tutormax_cli.database.names import TableName
from tutormax_cli.errors import TutormaxError

_Name = TypeVar("_Name", TableName, str)


@dataclass(frozen=True, slots=True)
class Loss:
    """A number of rows, and the sum of the hashes of their keys, which differs for other rows."""

    rows: int
    fingerprint: int


@dataclass(frozen=True, slots=True)
class Losses:
    """The rows to be deleted, by table; `others` counts things that are not rows (`large objects`)."""

    tables: Mapping[TableName, Loss]
    others: Mapping[str, Loss] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each table, by the tables' display names."""
        return {name: loss.rows for name, loss in self._by_name()}

    def __bool__(self) -> bool:
        return any(loss.rows for _, loss in self._by_name())

    def _by_name(self) -> Iterator[tuple[str, Loss]]:
        yield from ((table.display, loss) for table, loss in self.tables.items())
        yield from self.others.items()


def count_losses(
    driver: psycopg.Connection, tables: Sequence[TableName], others: Mapping[str, Loss] | None = None
) -> Losses:
    """Count the rows of tables, with a fingerprint of their primary keys, or of whole rows if there is none.

    The rows of partitions and child tables are their own.
    """
    keys = _keys(driver, tables)
    return Losses({table: _loss(driver, table, keys[table]) for table in tables}, others or {})


def refuse_other_losses(confirmed: Losses, now: Losses) -> None:
    """Raise TutormaxError, with the new counts, if more or other rows would be deleted than were confirmed."""
    if _within(confirmed.tables, now.tables) and _within(confirmed.others, now.others):
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in now.counts.items() if count)
    raise TutormaxError(
        f"the rows to be deleted are no longer those that were confirmed: now {rows}; nothing was changed",
        "run the command again: it lists the rows that would be deleted now",
    )


def _within(confirmed: Mapping[_Name, Loss], now: Mapping[_Name, Loss]) -> bool:
    return all(loss.rows == 0 or loss == confirmed.get(name) for name, loss in now.items())


def _loss(driver: psycopg.Connection, table: TableName, columns: Sequence[str]) -> Loss:
    key = sql.SQL(", ").join(sql.Identifier("counted", column) for column in columns)
    statement = sql.SQL(
        'SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text COLLATE "C", 0)), 0) FROM ONLY {} counted'
    )
    row = driver.execute(statement.format(key, table.sql)).fetchone()
    assert row is not None
    return Loss(int(row[0]), int(row[1]))


def _keys(driver: psycopg.Connection, tables: Sequence[TableName]) -> dict[TableName, list[str]]:
    """Return the columns of each table's primary key, or all columns of a table without one."""
    found = driver.execute(
        """
        SELECT n.nspname, c.relname, a.attname
        FROM unnest(%s::name[], %s::name[]) wanted (nspname, relname)
        JOIN pg_namespace n ON n.nspname = wanted.nspname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND (i.indrelid IS NULL OR a.attnum = ANY(i.indkey))
        ORDER BY c.oid, a.attnum
        """,
        [[table.schema for table in tables], [table.name for table in tables]],
    ).fetchall()
    keys: dict[TableName, list[str]] = {table: [] for table in tables}
    for schema, name, column in found:
        keys[TableName(schema, name)].append(column)
    return keys
