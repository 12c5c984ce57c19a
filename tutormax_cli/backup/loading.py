"""Running a dump's SQL over a connection of ours, section by section, within its transaction."""

from collections.abc import Callable, Iterator, Mapping

import psycopg

from tutormax_cli.backup.progress import Listener, Stage
from tutormax_cli.backup.script import Section, TableRows, read_data, read_definitions
from tutormax_cli.backup.tables import people_call
from tutormax_cli.database.driver import SAFE_PATH

Script = Callable[[Section], Iterator[bytes]]
"""Gives the SQL of a section."""


def load(driver: psycopg.Connection, script: Script, expected: Mapping[str, int], listener: Listener) -> dict[str, int]:
    """Make the tables, fill them, put indexes and keys on them; give the rows of each by its SQL name.

    `expected` rows by table are for the progress alone. Statistics are gathered too. Raises psycopg.Error.
    """
    _define(driver, script(Section.PRE_DATA), "tables", listener)
    rows: dict[str, int] = {}
    for part in read_data(script(Section.DATA)):
        if isinstance(part, TableRows):
            rows[part.table] = _fill(driver, part, sum(rows.values()), sum(expected.values()), listener)
        else:
            driver.execute(part)
    _define(driver, script(Section.POST_DATA), "indexes and keys", listener)
    driver.execute(f"SET LOCAL search_path = {SAFE_PATH}".encode())  # the script has emptied it
    if rows:
        listener(Stage("statistics"))
        driver.execute(f"ANALYZE {', '.join(rows)}".encode())
    return rows


def _define(driver: psycopg.Connection, chunks: Iterator[bytes], what: str, listener: Listener) -> None:
    entries = read_definitions(chunks)
    for done, (_, statements) in enumerate(entries):
        listener(Stage(what, done, len(entries), f"{done} of {len(entries)}"))
        driver.execute(statements)


def _fill(driver: psycopg.Connection, part: TableRows, before: int, total: int, listener: Listener) -> int:
    name, done = people_call(part.table), before
    with driver.cursor() as cursor:
        with cursor.copy(part.statement) as copy:
            for piece in part.data:
                copy.write(piece)
                done += piece.count(b"\n")
                listener(Stage(name, done, total or None, "rows"))
        return cursor.rowcount
