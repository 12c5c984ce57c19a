"""Temporary tables that hold what files say, before any of it touches a table of ours; gone with the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import Column, Connection, Integer, MetaData, Table

from tutormax_cli.database.copy import copy_in
from tutormax_cli.database.copy.wire import copying, driver_of
from tutormax_cli.database.names import own_table, quoted
from tutormax_cli.importing.faults import Fault, PlacedFault, Reason
from tutormax_cli.importing.rows import Rows

FILE, LINE = "import_file", "import_line"
"""Two columns more that every staged row has: the number of its file and its line there."""

FAULTS = "pg_temp.import_faults"


@dataclass(frozen=True, slots=True)
class Staged:
    """The staged rows of one table, which of its columns the files have, and whether some have no ids."""

    table: Table
    columns: tuple[str, ...]
    without_ids: bool
    name: str
    copy_target: Table


def own(driver: psycopg.Connection, table: Table) -> str:
    """Return one of TutorMax's tables as text of a statement that is executed with parameters."""
    return own_table(driver, table.name).text


def prepare_faults(driver: psycopg.Connection) -> None:
    """Make the table of what is wrong."""
    driver.execute(
        f'CREATE TEMP TABLE {FAULTS} (target text, file int, line int, "column" text, reason text, found text,'
        " expected text) ON COMMIT DROP".encode()
    )


def stage(connection: Connection, table: Table, columns: Sequence[str], *, without_ids: bool) -> Staged:
    """Make the table in which rows wait: like the real one, with its defaults, without its rules."""
    driver = driver_of(connection)
    name = f"import_{table.name}"
    driver.execute(
        f"CREATE TEMP TABLE {name} (LIKE {own(driver, table)} INCLUDING DEFAULTS) ON COMMIT DROP".encode(), []
    )
    loosen = [f"ALTER {quoted(column.name)} DROP NOT NULL" for column in table.columns]
    driver.execute(f"ALTER TABLE pg_temp.{name} {', '.join(loosen)}, ADD {FILE} int, ADD {LINE} int".encode())
    extra: list[Column[int]] = [Column(FILE, Integer), Column(LINE, Integer)]
    copies = (Column(name, table.columns[name].type) for name in columns)
    target = Table(name, MetaData(), *copies, *extra, schema="pg_temp")
    return Staged(table, tuple(columns), without_ids, f"pg_temp.{name}", target)


def add(connection: Connection, staged: Staged, file: int, rows: Rows) -> None:
    """Stage some rows, and note what is wrong with others."""
    import numpy as np

    if len(rows.lines):
        places = {FILE: np.full(len(rows.lines), file, np.int32), LINE: rows.lines.astype(np.int32)}
        copy_in(connection, staged.copy_target, {**rows.columns, **places})
    add_faults(connection, staged.table.name, file, rows.faults)


def add_faults(connection: Connection, target: str, file: int, faults: Iterable[Fault]) -> None:
    """Note faults that were found in reading."""
    listed = list(faults)
    if not listed:
        return
    with copying(connection, f"COPY {FAULTS} FROM STDIN".encode()) as copy:
        for fault in listed:
            found = fault.found.replace("\0", "\\0")
            copy.write_row((target, file, fault.line, fault.column, fault.reason.value, found, fault.expected))


def drop_bad(driver: psycopg.Connection, staged: Staged) -> None:
    """Take the rows out that anything is wrong with."""
    driver.execute(
        f"DELETE FROM {staged.name} AS s USING {FAULTS} AS f"
        f" WHERE f.target = %s AND f.file = s.{FILE} AND f.line = s.{LINE}".encode(),
        [staged.table.name],
    )


def count(driver: psycopg.Connection, staged: Staged) -> int:
    """Count the rows that are staged."""
    row = driver.execute(f"SELECT count(*) FROM {staged.name}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def rejected(driver: psycopg.Connection) -> Mapping[str, int]:
    """Count the rows that anything is wrong with, by table."""
    found = driver.execute(f"SELECT target, count(DISTINCT (file, line)) FROM {FAULTS} GROUP BY target".encode())
    return {str(target): int(rows) for target, rows in found.fetchall()}


def first_faults(
    driver: psycopg.Connection, tables: Sequence[str], names: Sequence[str], limit: int
) -> list[PlacedFault]:
    """Give the first faults, in the order of the tables, the files and their lines."""
    found = driver.execute(
        f'SELECT file, line, "column", reason, found, expected FROM {FAULTS}'
        " ORDER BY array_position(%s::text[], target), file, line LIMIT %s".encode(),
        [list(tables), limit],
    ).fetchall()
    return [
        PlacedFault(names[file], Fault(line, column, Reason(reason), *rest))
        for file, line, column, reason, *rest in found
    ]


def fault_counts(driver: psycopg.Connection) -> dict[tuple[str, str, str], int]:
    """Count the faults by table, column (or "") and reason, the most frequent first."""
    found = driver.execute(
        f"SELECT target, coalesce(\"column\", ''), reason, count(*) FROM {FAULTS} GROUP BY 1, 2, 3"
        " ORDER BY 4 DESC, 1, 2, 3".encode()
    ).fetchall()
    return {(target, column, reason): int(rows) for target, column, reason, rows in found}
