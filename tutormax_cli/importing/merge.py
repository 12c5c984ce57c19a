"""Staged rows into the table that they are for: new ones inserted, known ones changed where they differ."""

from dataclasses import dataclass

import psycopg

from tutormax_cli.database.names import quoted
from tutormax_cli.importing.layout import Mode, key_of
from tutormax_cli.importing.staging import Staged, own

CHANGED_AT = "updated_at"


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows were new, changed, and as they were already."""

    inserted: int
    updated: int = 0
    unchanged: int = 0


def merge(driver: psycopg.Connection, staged: Staged, mode: Mode, rows: int) -> Merged:
    """Move so many staged rows into their table."""
    if mode is not Mode.UPSERT:
        return Merged(_insert(driver, staged, ""))
    key = quoted(key_of(staged.table))
    updated = _update(driver, staged, key)
    new = f" WHERE NOT EXISTS (SELECT 1 FROM {own(driver, staged.table)} AS t WHERE t.{key} = s.{key})"
    inserted = _insert(driver, staged, new)
    return Merged(inserted, updated, rows - inserted - updated)


def _insert(driver: psycopg.Connection, staged: Staged, which: str) -> int:
    columns = ", ".join(quoted(column.name) for column in staged.table.columns)
    return driver.execute(
        f"INSERT INTO {own(driver, staged.table)} ({columns}) SELECT {columns} FROM {staged.name} AS s{which}".encode(),
        [],
    ).rowcount


def _update(driver: psycopg.Connection, staged: Staged, key: str) -> int:
    """Change the rows that differ in a column which the files have."""
    columns = [quoted(column) for column in staged.columns if quoted(column) != key]
    if not columns:
        return 0
    sets = [f"{column} = s.{column}" for column in columns]
    if CHANGED_AT in staged.table.columns and CHANGED_AT not in staged.columns:
        sets.append(f"{CHANGED_AT} = now()")
    ours, theirs = (", ".join(f"{side}.{column}" for column in columns) for side in ("t", "s"))
    return driver.execute(
        f"UPDATE {own(driver, staged.table)} AS t SET {', '.join(sets)} FROM {staged.name} AS s"
        f" WHERE t.{key} = s.{key} AND ROW({ours}) IS DISTINCT FROM ROW({theirs})".encode(),
        [],
    ).rowcount
